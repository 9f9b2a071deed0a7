import { rm, stat, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Digest, DigestAlgorithm } from '../oci/digest.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import type { BlobStore, BlobWriter, Leftover, ListedBlob, StoredBlob } from './blob-store.ts';
import { entries, makeFolder } from './folder.ts';
import {
  algorithms,
  blobPath,
  digestOfName,
  isSpoolName,
  newSpoolPath,
  type StoreFolders,
  storeFolders,
} from './fs-layout.ts';
import { listLeftovers } from './fs-leftovers.ts';
import { openStoredFile, storedFileSize, unlessMissing } from './fs-reader.ts';
import { FileWriter } from './fs-writer.ts';
import { openFile } from './open-file.ts';
import { explainSystemError } from './system-error.ts';

// A spool that nobody wrote to for so long was left by a process that died, and nobody came back for what it held.
const maxSpoolAgeMs = 24 * 60 * 60 * 1000;

const spoolMode = 0o600; // what is cached may be readable by some clients only

/** What a file store may be given. */
export interface FileStoreOptions {
  /** Tells how old the spools are that dead processes left. */
  readonly clock?: Pick<Clock, 'now'>;
}

/** Opens the store of blobs in a folder, which is made when it is missing. Several processes may have it open. */
export async function openFileStore(folder: string, options: FileStoreOptions = {}): Promise<BlobStore> {
  const { clock = systemClock } = options;
  const path = resolve(folder); // the process may change its own folder later
  const folders = storeFolders(path);
  try {
    const tops = algorithms.map((algorithm) => join(folders.blobs, algorithm));
    for (const made of [folders.blobs, ...tops, folders.spool]) await makeFolder(made, false);
    await removeOldSpools(folders.spool, clock.now() - maxSpoolAgeMs);
  } catch (error) {
    throw explainSystemError('open the store', path, error);
  }
  return new FileStore(folders);
}

class FileStore implements BlobStore {
  readonly #folders: StoreFolders;
  /** The folders of blobs that are known to outlive a crash: 512 at most. */
  readonly #durableShards = new Set<string>();

  constructor(folders: StoreFolders) {
    this.#folders = folders;
  }

  size(digest: Digest): Promise<number | undefined> {
    return storedFileSize(blobPath(this.#folders, digest));
  }

  open(digest: Digest): Promise<StoredBlob | undefined> {
    return openStoredFile(blobPath(this.#folders, digest));
  }

  async create(digest: Digest): Promise<BlobWriter> {
    await makeFolder(this.#folders.spool, true); // someone may have emptied the data folder since the start
    const spool = await openFile(newSpoolPath(this.#folders, digest), 'wx+', spoolMode);
    return new FileWriter(spool, blobPath(this.#folders, digest), (shard) => this.#makeShard(shard));
  }

  async remove(digest: Digest): Promise<boolean> {
    const removal = unlink(blobPath(this.#folders, digest)).then(() => true);
    return (await unlessMissing(removal)) ?? false;
  }

  async *list(): AsyncIterable<ListedBlob> {
    for (const algorithm of algorithms) {
      const top = join(this.#folders.blobs, algorithm);
      for await (const shard of entries(top)) {
        if (shard.isDirectory()) yield* listShard(join(top, shard.name), algorithm, shard.name);
      }
    }
  }

  listLeftovers(): AsyncIterable<Leftover> {
    return listLeftovers(this.#folders);
  }

  async #makeShard(shard: string): Promise<void> {
    await makeFolder(shard, this.#durableShards.has(shard));
    this.#durableShards.add(shard);
  }
}

async function* listShard(folder: string, algorithm: DigestAlgorithm, prefix: string) {
  for await (const { name } of entries(folder)) {
    const digest = digestOfName(algorithm, prefix, name);
    if (digest === undefined) continue;
    const stats = await unlessMissing(stat(join(folder, name)));
    if (stats?.isFile()) yield { digest, sizeBytes: stats.size, writtenAtMs: stats.mtimeMs };
  }
}

async function removeOldSpools(folder: string, beforeMs: number): Promise<void> {
  for await (const { name } of entries(folder)) {
    if (!isSpoolName(name)) continue;
    const path = join(folder, name);
    const stats = await unlessMissing(stat(path)); // its writer may end at this moment
    if (stats?.isFile() && stats.mtimeMs < beforeMs) await rm(path, { force: true });
  }
}
