import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { BlobWriter } from './blob-store.ts';
import { syncFolder } from './folder.ts';
import { storedFileSize } from './fs-reader.ts';
import type { OpenFile } from './open-file.ts';

/** Where a writer's file goes, and who has to know. */
export interface WriterOptions {
  /** Where the blob is when it is whole. */
  readonly target: string;
  /** Where it waits for whoever goes on with it. */
  readonly kept: string;
  /** Makes the folder that the blob goes to, where it is missing. */
  readonly makeShard: (folder: string) => Promise<void>;
  /** Told when some of a blob was kept. */
  readonly onKept: () => Promise<void>;
  /** Called once, when the file has another name, or none. */
  readonly onEnd: () => void;
}

/** Writes one blob: into its spool file, which becomes the blob by a rename. */
export class FileWriter implements BlobWriter {
  readonly #spool: OpenFile;
  readonly #options: WriterOptions;
  #isSpooled = true;

  constructor(spool: OpenFile, options: WriterOptions) {
    this.#spool = spool;
    this.#options = options;
  }

  /** How many bytes there are. */
  async size(): Promise<number> {
    return (await this.#spool.stat()).size;
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#spool.read(into, position, into.length);
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.#spool.write(bytes, position);
  }

  // 1. The bytes are on the disk before they have the blob's name.
  // 2. The name appears at once, by a rename, in a folder that is itself durable.
  // 3. The name is on the disk. That is so too when another writer was first: its own sync may not have ended.
  async commit(): Promise<void> {
    await this.#spool.sync();
    const shard = dirname(this.#options.target);
    await this.#options.makeShard(shard);
    await this.#move();
    await syncFolder(shard);
  }

  async close({ keep = false } = {}): Promise<void> {
    const isCommitted = !this.#isSpooled;
    try {
      if (keep && !isCommitted) await this.#keep();
    } finally {
      try {
        await this.#spool.close();
      } finally {
        await this.#removeRest(isCommitted);
      }
    }
  }

  // What is there is replaced: it may be damaged, and this was verified. Whoever reads it goes on reading the old file.
  async #move(): Promise<void> {
    await rename(this.#spool.path, this.#options.target);
    this.#isSpooled = false;
  }

  async #keep(): Promise<void> {
    const size = await this.size();
    if (size <= ((await storedFileSize(this.#options.kept)) ?? 0)) return;
    await rename(this.#spool.path, this.#options.kept);
    this.#isSpooled = false;
    await this.#options.onKept();
  }

  // What another writer left of a blob that is whole now is of no use to anybody.
  async #removeRest(isCommitted: boolean): Promise<void> {
    try {
      if (this.#isSpooled) await rm(this.#spool.path, { force: true });
      if (isCommitted) await rm(this.#options.kept, { force: true });
    } finally {
      this.#options.onEnd();
    }
  }
}
