import { rename } from 'node:fs/promises';
import type { Digest } from '../oci/digest.ts';
import { makeFolder, syncFolder } from './folder.ts';
import { blobPath, type StoreFolders, shardFolder } from './fs-layout.ts';
import type { OpenFile } from './open-file.ts';

/** The places of blobs: how a file becomes one. */
export class BlobPlaces {
  readonly #folders: StoreFolders;
  /** The folders of blobs that are known to outlive a crash: 512 at most. */
  readonly #durableShards = new Set<string>();

  constructor(folders: StoreFolders) {
    this.#folders = folders;
  }

  /**
   * Makes a file the blob of a digest; durable when it resolves. `onMoved` is told when it has the blob's name. What is
   * there is replaced: it may be damaged, and this was verified. Whoever reads it goes on reading the old file.
   *
   * 1. The bytes are on the disk before they have the blob's name.
   * 2. The name appears at once, by a rename, in a folder that is itself durable.
   * 3. The name is on the disk. That is so too when another file was first: its own sync may not have ended.
   */
  async put(file: OpenFile, digest: Digest, onMoved: () => void): Promise<void> {
    await file.sync();
    const shard = shardFolder(this.#folders, digest);
    await makeFolder(shard, this.#durableShards.has(shard));
    this.#durableShards.add(shard);
    await rename(file.path, blobPath(this.#folders, digest));
    onMoved();
    await syncFolder(shard);
  }
}
