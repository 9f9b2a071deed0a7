import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { HostedIndex } from './index/hosted-index.ts';
import { type IndexLock, lockForReplacement, lockForUse } from './index/index-lock.ts';
import type { MetadataIndex, Pin } from './index/metadata-index.ts';
import { readTotals } from './index/sqlite/contents/read-totals.ts';
import { openSqliteIndex } from './index/sqlite/sqlite.ts';
import { moveAside } from './index/sqlite/sqlite-database.ts';
import { type FileStoreOptions, type FileStores, openFileStores } from './store/files/fs.ts';
import { spoolUsage } from './store/files/spool/spool-usage.ts';
import { explainSystemError } from './store/system-error.ts';
import { makeFolders } from './util/system/make-folders.ts';
import type { Clock } from './util/time/clock.ts';

/** What is kept in a data folder, open. */
export interface Storage extends FileStores {
  readonly index: MetadataIndex & HostedIndex;
  close(): Promise<void>;
}

/** What a server's data folder is opened with. */
export interface ServerStorageOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** How much what is left of downloads that were cut off may take in all. */
  readonly maxPartialBytes: number;
  /** Told where a damaged index was moved, and why. */
  readonly onBroken: (path: string, error: unknown) => void;
}

/**
 * Opens the data folder of a server, which is made when it is missing. An index that is damaged is moved aside, which
 * `onBroken` is told.
 */
export async function openServerStorage(data: string, options: ServerStorageOptions): Promise<Storage> {
  const { clock, maxPartialBytes, onBroken } = options;
  await makeFolders(data).catch((error: unknown) => {
    throw explainSystemError('make the data folder', data, error);
  });
  const file = indexFile(data);
  const lock = lockForUse(file);
  if (lock === undefined) throw inUse(`Cannot open the index "${file}": it is being made anew, wait for that to end`);
  return open(data, { clock, maxPartialBytes }, lock, () =>
    openSqliteIndex(file, { onBroken, now: () => clock.now(), checkpointsAside: true }),
  );
}

/** Opens a data folder for a tool, which changes nothing by opening it; a server may be using it. */
export async function openToolStorage(data: string, clock: Pick<Clock, 'now'>): Promise<Storage> {
  assertKept(data);
  return open(data, { clock }, undefined, () => openSqliteIndex(indexFile(data), { keepBroken: true }));
}

/**
 * Opens a data folder with a new, empty index. The old one is moved aside; `replaced` is its path, when there was one.
 * @throws INDEX_IN_USE while a server uses it, which would go on with the old one
 */
export async function openWithNewIndex(
  data: string,
  clock: Pick<Clock, 'now'>,
): Promise<Storage & { readonly replaced: string | undefined }> {
  assertKept(data);
  const file = indexFile(data);
  const lock = lockForReplacement(file);
  if (lock === undefined) throw inUse(`Cannot make the index "${file}" anew: a server is using it, stop that first`);
  let replaced: string | undefined;
  const storage = await open(data, { clock }, lock, async () => {
    const pins = await readPins(file);
    if (existsSync(file)) replaced = moveAside(file, 'replaced', clock.now());
    const index = openSqliteIndex(file);
    for (const { reference, ...key } of pins) await index.pin(key, reference);
    return index;
  });
  return { ...storage, replaced };
}

/** How much a data folder holds, by its index, which stays as it is; undefined when there is none. */
export function readStoredTotals(data: string): ReturnType<typeof readTotals> {
  const file = indexFile(data);
  return isThere(data, basename(file)) ? readTotals(file) : undefined;
}

/** The pins of an index, which nothing but itself could tell; none when it cannot be read. */
async function readPins(file: string): Promise<readonly Pin[]> {
  if (!existsSync(file)) return [];
  try {
    const index = openSqliteIndex(file, { keepBroken: true });
    return await index.listPins().finally(() => index.close());
  } catch {
    return [];
  }
}

/** How much the downloads in a data folder take that are under way, or were left. */
export function partialDownloads(data: string): Promise<{ readonly files: number; readonly sizeBytes: number }> {
  return spoolUsage(data);
}

function indexFile(data: string): string {
  return join(data, 'index-v1.sqlite');
}

async function open(
  data: string,
  storeOptions: FileStoreOptions,
  lock: IndexLock | undefined,
  openIndex: () => Promise<Storage['index']> | Storage['index'],
): Promise<Storage> {
  try {
    const stores = await openFileStores(data, storeOptions);
    const index = await openIndex();
    const close = async () => {
      await stores.uploads.close();
      await index.close();
      lock?.release();
    };
    return { ...stores, index, close };
  } catch (error) {
    lock?.release();
    throw error;
  }
}

/** A tool that is given the wrong folder should say so, and not make it. */
function assertKept(data: string): void {
  if (isThere(data, 'blobs-v1')) return;
  const what = `Cannot look into "${data}": nothing is kept there, name the folder with --data`;
  throw Object.assign(new Error(what), { code: 'NOTHING_KEPT' });
}

/** Whether a data folder has something. What this user may not look into is not empty: who is told so gives up, or begins anew. */
function isThere(data: string, name: string): boolean {
  try {
    statSync(join(data, name));
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw explainSystemError('look into', data, error);
  }
}

function inUse(message: string): Error {
  return Object.assign(new Error(message), { code: 'INDEX_IN_USE' });
}
