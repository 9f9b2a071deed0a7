import { fstatSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';

/**
 * Makes what was committed durable, in the thread pool.
 *
 * With `synchronous=NORMAL`, SQLite writes a transaction to the end of the log beside the database (`-wal`) when it is
 * committed, and syncs nothing. Syncing that log is all that is missing:
 * - After a crash SQLite reads the log up to the last whole transaction; each frame has a checksum that goes on from
 *   the one before. So a log that is synced after a commit gives that commit back, and all before.
 * - A commit that is no longer in the log is in the database, durably: a checkpoint syncs the log, copies it, syncs the
 *   database, and only then may the log be begun anew, at its beginning. That is so in this mode, too.
 * - The log stays the same file as long as this process has the database open: whoever closes it last removes it.
 * - The name of the log is durable with the first sync, which syncs the folder, too.
 *
 * The log is opened here beside SQLite. That would be wrong for the database itself: POSIX ends all locks that a process
 * has on a file when it closes any descriptor of it. SQLite takes its locks on the database and on `-shm`, none on the
 * log.
 */
export class LogSync {
  readonly #database: DatabaseSync;
  readonly #file: string;
  #log: Promise<FileHandle> | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #mustEmpty = false;

  constructor(database: DatabaseSync, file: string) {
    this.#database = database;
    this.#file = file;
  }

  /** Resolves when all that was committed before this call is durable. Those who wait while one sync runs share the next. */
  sync(): Promise<void> {
    if (this.#running === undefined) return this.#begin();
    this.#next ??= this.#running
      .catch(() => {}) // it is told to those who waited for that one
      .then(() => {
        this.#next = undefined;
        return this.#begin();
      });
    return this.#next;
  }

  /**
   * Sees that the log still has its name: who moved or removed the folder took the index along, and a new start would not
   * find what is written from then on. A sync sees to it, too.
   * @throws Error INDEX_GONE
   */
  async assertThere(): Promise<void> {
    this.#assertNamed(await this.#open());
  }

  /** Ends it, when nothing is under way. */
  async close(): Promise<void> {
    await (this.#next ?? this.#running)?.catch(() => {});
    const log = await this.#log?.catch(() => undefined);
    await log?.close();
  }

  #begin(): Promise<void> {
    this.#running = this.#syncLog().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #syncLog(): Promise<void> {
    if (this.#mustEmpty) this.#empty();
    const log = await this.#open();
    try {
      await log.datasync();
    } catch (error) {
      this.#mustEmpty = true;
      throw error;
    }
    this.#assertNamed(log);
  }

  #open(): Promise<FileHandle> {
    this.#log ??= openLog(this.#file).catch((error) => {
      this.#log = undefined;
      throw error;
    });
    return this.#log;
  }

  // Who asks has it at hand: two calls that the system answers from memory cost less than handing them to a thread.
  #assertNamed(log: FileHandle): void {
    const named = statSync(logPath(this.#file), { bigint: true, throwIfNoEntry: false });
    const opened = fstatSync(log.fd, { bigint: true });
    if (named?.ino !== opened.ino || named.dev !== opened.dev) throw gone(this.#file);
  }

  // The system tells once that it could not write something, and forgets what that was. So a sync that works after one
  // that failed proves nothing of what is before the gap: only a log that begins anew, its content in the database, does.
  #empty(): void {
    const row = this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
    if (row?.['busy'] !== 0) throw new Error(`Cannot sync the index "${this.#file}": its log cannot be emptied`);
    this.#mustEmpty = false;
  }
}

async function openLog(file: string): Promise<FileHandle> {
  try {
    const folder = await open(dirname(file), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
    return await open(logPath(file), 'r+'); // some systems sync only what may be written
  } catch (error) {
    throw (error as { code?: unknown }).code === 'ENOENT' ? gone(file) : error;
  }
}

function logPath(file: string): string {
  return `${file}-wal`;
}

function gone(file: string): Error {
  const what = `The index "${file}" was moved or removed while it is in use: put it back, or start anew`;
  return Object.assign(new Error(what), { code: 'INDEX_GONE' });
}
