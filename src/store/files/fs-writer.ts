import { rename, rm } from 'node:fs/promises';
import type { BlobWriter } from '../blob-store.ts';
import type { OpenFile } from '../folders/open-file.ts';
import { storedFileSize } from './fs-reader.ts';

/** Where a writer's file goes, and who has to know. */
export interface WriterOptions {
  /** Where it waits for whoever goes on with it. */
  readonly kept: string;
  /** Makes the file the blob, and tells when it is no longer where it was. */
  readonly place: (file: OpenFile, onMoved: () => void) => Promise<void>;
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

  commit(): Promise<void> {
    return this.#options.place(this.#spool, () => {
      this.#isSpooled = false;
    });
  }

  async close({ keep = false } = {}): Promise<void> {
    const isCommitted = !this.#isSpooled;
    const mayKeep = keep && !isCommitted && !this.#spool.isDoubtful;
    try {
      if (mayKeep) await this.#keep();
    } finally {
      try {
        await this.#spool.close();
      } finally {
        await this.#removeRest(isCommitted);
      }
    }
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
