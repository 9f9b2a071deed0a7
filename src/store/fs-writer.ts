import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { BlobWriter } from './blob-store.ts';
import { syncFolder } from './folder.ts';
import { storedFileSize } from './fs-reader.ts';
import type { OpenFile } from './open-file.ts';

/** Writes one blob: into its spool file, which becomes the blob by a rename. */
export class FileWriter implements BlobWriter {
  readonly #spool: OpenFile;
  readonly #target: string;
  readonly #makeShard: (folder: string) => Promise<void>;
  #isSpooled = true;

  /** `makeShard` makes the folder that the blob goes to, where it is missing. */
  constructor(spool: OpenFile, target: string, makeShard: (folder: string) => Promise<void>) {
    this.#spool = spool;
    this.#target = target;
    this.#makeShard = makeShard;
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
    const shard = dirname(this.#target);
    await this.#makeShard(shard);
    await this.#move();
    await syncFolder(shard);
  }

  async close(): Promise<void> {
    try {
      await this.#spool.close();
    } finally {
      if (this.#isSpooled) await rm(this.#spool.path, { force: true });
    }
  }

  // A blob that is there stays, as it is in the system's cache; one of another size is damaged, and is replaced.
  async #move(): Promise<void> {
    const { size } = await this.#spool.stat();
    if ((await storedFileSize(this.#target)) === size) await rm(this.#spool.path, { force: true });
    else await rename(this.#spool.path, this.#target);
    this.#isSpooled = false;
  }
}
