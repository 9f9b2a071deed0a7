import { once } from 'node:events';
import { extname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';

/** When the log beside a database is moved into it. */
export interface CheckpointPlan {
  readonly file: string;
  readonly everyMs: number;
  /** A log that is smaller is left alone: SQLite's own measure, 1000 pages. */
  readonly fromBytes: number;
  /** A log that is larger is emptied, though writers wait for that. */
  readonly tooLargeBytes: number;
}

/** What the thread tells after a checkpoint. */
export interface CheckpointReport {
  readonly logBytes: number;
}

const defaultPlan = { everyMs: 1_000, fromBytes: 4_096_000, tooLargeBytes: 64 * 1024 * 1024 };

const ownPages = 1_000; // SQLite's default

/**
 * Moves what was committed from the log into the database in a thread of its own, in place of SQLite, which does it on
 * the thread of whichever commit made the log large enough. Should the thread fail, SQLite does it again.
 */
export class Checkpoints {
  readonly #database: DatabaseSync;
  readonly #worker: Worker;
  readonly #ended: Promise<unknown>;
  #closing = false;

  /** @param reported is told of every checkpoint */
  constructor(
    database: DatabaseSync,
    file: string,
    plan: Partial<CheckpointPlan> = {},
    reported: (report: CheckpointReport) => void = () => {},
  ) {
    this.#database = database;
    const { fromBytes } = { ...defaultPlan, ...plan };
    // A log that is begun anew is cut, so that its size tells how much of it is new.
    database.exec(`PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = ${Math.floor(fromBytes / 2)}`);
    const workerData: CheckpointPlan = { file, ...defaultPlan, ...plan };
    this.#worker = new Worker(new URL(`./checkpoint-worker${extname(import.meta.url)}`, import.meta.url), {
      workerData,
    });
    this.#worker.on('message', reported);
    this.#worker.on('error', () => {}); // it ends then
    this.#ended = once(this.#worker, 'exit').catch(() => {});
    this.#worker.on('exit', () => this.#goOnAlone());
    this.#worker.unref();
  }

  /** Ends the thread, and resolves when it has let go of the database, which may be closed then. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#worker.ref();
    this.#worker.postMessage('close');
    await this.#ended;
  }

  #goOnAlone(): void {
    if (!this.#closing) this.#database.exec(`PRAGMA wal_autocheckpoint = ${ownPages}`);
  }
}
