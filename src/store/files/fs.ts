import { rename, rm, stat, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts';
import { type Clock, systemClock } from '../../util/time/clock.ts';
import type { BlobStore, BlobWriter, Leftover, ListedBlob, PartialBlob, StoredBlob } from '../blob-store.ts';
import { entries, inFolder, makeFolder, privateFolderMode } from '../folders/folder.ts';
import { type OpenFile, openFile } from '../folders/open-file.ts';
import type { RecordStore } from '../record-store.ts';
import { openFileRecords } from '../records/fs-records.ts';
import { explainSystemError } from '../system-error.ts';
import type { UploadStore } from '../upload-store.ts';
import { openFileUploads } from '../uploads/fs-uploads.ts';
import {
  algorithms,
  blobPath,
  digestOfName,
  keptPath,
  newPath,
  type StoreFolders,
  spoolPath,
  storeFolders,
} from './fs-layout.ts';
import { listLeftovers } from './fs-leftovers.ts';
import { BlobPlaces } from './fs-places.ts';
import { openStoredFile, storedFileSize, unlessMissing } from './fs-reader.ts';
import { FileWriter } from './fs-writer.ts';
import { adoptPartials, listPartials, prunePartials } from './spool/fs-partials.ts';
import { SpoolOwner } from './spool/spool-owner.ts';

const pruneEveryMs = 60 * 60 * 1000; // what is kept for whoever goes on with it is gone an hour after its time

const spoolMode = 0o600; // what is cached may be readable by some clients only

/** What a file store may be given. */
export interface FileStoreOptions {
  /** Tells how old the partial blobs are that writers left. */
  readonly clock?: Pick<Clock, 'now'>;
  /** How much the partial blobs may take in all; the oldest go first. */
  readonly maxPartialBytes?: number;
}

/** What a folder keeps that is no index. */
export interface FileStores {
  readonly store: BlobStore;
  /** What becomes a blob of the store by being committed. */
  readonly uploads: UploadStore;
  readonly records: RecordStore;
}

/** Opens the stores in a folder, which is made when it is missing. Several processes may have them open. */
export async function openFileStores(folder: string, options: FileStoreOptions = {}): Promise<FileStores> {
  const path = resolve(folder); // the process may change its own folder later
  const folders = storeFolders(path);
  try {
    const tops = algorithms.map((algorithm) => join(folders.blobs, algorithm));
    for (const made of [folders.blobs, ...tops, folders.spool]) await makeFolder(made, false);
    for (const made of [folders.uploads, folders.records]) await makeFolder(made, false, privateFolderMode);
    const { clock = systemClock } = options;
    await adoptPartials(folders, clock.now());
    const places = new BlobPlaces(folders);
    const store = new FileStore(folders, places, options);
    await store.prune();
    const uploads = await openFileUploads(folders.uploads, places, clock);
    const records = await openFileRecords(folders.records, clock.now());
    return { store, uploads, records };
  } catch (error) {
    throw explainSystemError('open the store', path, error);
  }
}

class FileStore implements BlobStore {
  readonly #folders: StoreFolders;
  readonly #places: BlobPlaces;
  readonly #owner: SpoolOwner;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #maxPartialBytes: number;
  #prunedAtMs = 0;
  #isPruning = false;

  constructor(folders: StoreFolders, places: BlobPlaces, options: FileStoreOptions) {
    const { clock = systemClock, maxPartialBytes = Number.POSITIVE_INFINITY } = options;
    this.#folders = folders;
    this.#places = places;
    this.#owner = new SpoolOwner(folders.spool);
    this.#clock = clock;
    this.#maxPartialBytes = maxPartialBytes;
  }

  size(digest: Digest): Promise<number | undefined> {
    return storedFileSize(blobPath(this.#folders, digest));
  }

  open(digest: Digest): Promise<StoredBlob | undefined> {
    return openStoredFile(blobPath(this.#folders, digest));
  }

  async create(digest: Digest): Promise<BlobWriter> {
    if (this.#clock.now() - this.#prunedAtMs > pruneEveryMs) await this.#pruneIfPossible();
    await makeFolder(this.#folders.spool, true); // someone may have emptied the data folder since the start
    return this.#write(digest, (path) => openFile(path, 'wx+', spoolMode));
  }

  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const path = newPath(this.#folders);
    const file = await inFolder(this.#folders.spool, () => openFile(path, 'wx', spoolMode));
    let isMoved = false;
    try {
      await file.write(bytes, 0);
      await this.#places.put(file, digest, () => {
        isMoved = true;
      });
    } finally {
      await file.close();
      if (!isMoved) await rm(path, { force: true });
    }
  }

  async resume(digest: Digest): Promise<PartialBlob | undefined> {
    const kept = keptPath(this.#folders, digest);
    if ((await storedFileSize(kept)) === undefined) return undefined;
    // Whoever renames it first has it.
    const taken = this.#write(digest, async (path) => {
      await rename(kept, path);
      return openFile(path, 'r+');
    });
    const writer = await unlessMissing(taken);
    return writer && { writer, sizeBytes: await writer.size() };
  }

  async partials(): Promise<{ count: number; sizeBytes: number }> {
    const partials = await listPartials(this.#folders);
    return { count: partials.length, sizeBytes: partials.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
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
    return listLeftovers(this.#folders, this.#clock.now());
  }

  /** Removes the partial blobs that nobody came back for, and those that are too much. */
  async prune(): Promise<void> {
    if (this.#isPruning) return; // many are kept at once when a process ends
    this.#isPruning = true;
    this.#prunedAtMs = this.#clock.now();
    try {
      await prunePartials(this.#folders, this.#prunedAtMs, this.#maxPartialBytes);
    } finally {
      this.#isPruning = false;
    }
  }

  /** Prunes beside a writer, which is no worse off when that fails: it is tried again, and the next opening tells. */
  async #pruneIfPossible(): Promise<void> {
    try {
      await this.prune();
    } catch {
      // What stays takes room, and is neither lost nor in anybody's way.
    }
  }

  /** A writer of the file that `open` makes at a path of its own. */
  async #write(digest: Digest, open: (path: string) => Promise<OpenFile>): Promise<FileWriter> {
    const { owner, number } = this.#owner.enter();
    try {
      const spool = await open(spoolPath(this.#folders, digest, owner, number));
      return new FileWriter(spool, {
        kept: keptPath(this.#folders, digest),
        place: (file, onMoved) => this.#places.put(file, digest, onMoved),
        onKept: () => this.#pruneIfPossible(),
        onEnd: () => this.#owner.leave(),
      });
    } catch (error) {
      this.#owner.leave();
      throw error;
    }
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
