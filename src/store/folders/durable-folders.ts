import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSystemError } from '../system-error.ts';
import { makeFolder, privateFolderMode, syncFolder } from './folder.ts';

const maxKnown = 10_000; // folders; those of a few thousand repositories, and a megabyte of memory

/**
 * The folders below a root that is durable itself. Each is made so that it outlives a crash: every level is durable
 * before anything is put below it, though somebody else made it a moment ago and is not done with that.
 */
export class DurableFolders {
  readonly #root: string;
  readonly #known = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Puts something into a folder, which is made where it is missing. The name of what was put is for the caller to sync. */
  async put(folder: string, action: () => Promise<void>): Promise<void> {
    try {
      await this.#make(folder);
      await action();
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error;
      this.#known.clear(); // somebody removed what was there
      await makeFolder(this.#root, true, privateFolderMode);
      await this.#make(folder);
      await action();
    }
  }

  /** Makes many folders of one parent, for which that is synced once. */
  async makeAll(parent: string, names: readonly string[]): Promise<void> {
    await this.#make(parent);
    const folders = names.map((name) => join(parent, name)).filter((folder) => !this.#known.has(folder));
    for (const folder of folders) await makeIfMissing(folder);
    await syncFolder(parent);
    for (const folder of folders) this.#know(folder);
  }

  async #make(folder: string): Promise<void> {
    if (folder === this.#root || this.#known.has(folder)) return;
    const parent = dirname(folder);
    await this.#make(parent);
    await makeIfMissing(folder);
    await syncFolder(parent);
    this.#know(folder);
  }

  #know(folder: string): void {
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.add(folder);
  }
}

async function makeIfMissing(folder: string): Promise<void> {
  try {
    await mkdir(folder, privateFolderMode);
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error; // what is no folder fails when it is used as one
  }
}
