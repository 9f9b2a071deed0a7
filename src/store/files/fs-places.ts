import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Digest } from '../../oci/digest.ts';
import { DurableFolders } from '../folders/durable-folders.ts';
import { syncFolder } from '../folders/folder.ts';
import type { OpenFile } from '../folders/open-file.ts';
import { waitForAll } from '../wait-for-all.ts';
import { blobPath, type StoreFolders, shardNames } from './fs-layout.ts';

const manyShards = 16; // few blobs make few folders

/** The places of blobs: how a file becomes one. */
export class BlobPlaces {
  readonly #folders: StoreFolders;
  readonly #durable: DurableFolders;
  /** The first shards that were used, by the folder that they are in. */
  readonly #used = new Map<string, Set<string>>();

  constructor(folders: StoreFolders) {
    this.#folders = folders;
    this.#durable = new DurableFolders(folders.blobs);
  }

  /**
   * Makes a file the blob of a digest; durable when it resolves. `onMoved` is told when it has the blob's name; what that
   * begins runs beside the rest, and is waited for. What is there is replaced: it may be damaged, and this was verified.
   * Whoever reads it goes on reading the old file.
   *
   * 1. The bytes are on the disk before they have the blob's name.
   * 2. The name appears at once, by a rename, in a folder that is itself durable.
   * 3. The name is on the disk. That is so too when another file was first: its own sync may not have ended.
   */
  async put(file: OpenFile, digest: Digest, onMoved: () => Promise<void> | void): Promise<void> {
    const target = blobPath(this.#folders, digest);
    const shard = dirname(target);
    await file.sync();
    await this.#makeShards(shard);
    await this.#durable.put(shard, () => rename(file.path, target));
    await waitForAll([onMoved(), syncFolder(shard)]);
  }

  /** Each shard that is new to this process costs two syncs: whoever uses many will use them all, and has one for all. */
  async #makeShards(shard: string): Promise<void> {
    const top = dirname(shard);
    const used = this.#used.get(top) ?? new Set();
    this.#used.set(top, used);
    if (used.size >= manyShards) return;
    used.add(shard);
    if (used.size === manyShards) await this.#durable.makeAll(top, shardNames);
  }
}
