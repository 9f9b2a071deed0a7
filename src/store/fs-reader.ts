import type { Stats } from 'node:fs';
import { stat, unlink } from 'node:fs/promises';
import type { StoredBlob } from './blob-store.ts';
import { type OpenFile, openFile } from './open-file.ts';
import { isSystemError } from './system-error.ts';

/** The size of the blob at a path; undefined when there is none. */
export async function storedFileSize(path: string): Promise<number | undefined> {
  const stats = await unlessMissing(stat(path));
  if (stats === undefined) return undefined;
  assertFile(stats, path);
  return stats.size;
}

/** Opens the blob at a path; undefined when there is none. */
export async function openStoredFile(path: string): Promise<StoredBlob | undefined> {
  const file = await unlessMissing(openFile(path, 'r'));
  if (file === undefined) return undefined;
  try {
    const stats = await file.stat();
    assertFile(stats, path);
    return new StoredFile(file, stats);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** What the operation gives; undefined when it fails as there is no such file. Every other failure stays one. */
export async function unlessMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

class StoredFile implements StoredBlob {
  readonly sizeBytes: number;
  readonly #file: OpenFile;
  readonly #stats: Stats;

  constructor(file: OpenFile, stats: Stats) {
    this.#file = file;
    this.#stats = stats;
    this.sizeBytes = stats.size;
  }

  // The size is known, so the system need not be asked once more for bytes that do not come.
  read(into: Uint8Array, position: number): Promise<number> {
    return this.#file.read(into, position, Math.min(into.length, this.sizeBytes - position));
  }

  // A writer that commits between the two calls loses its blob, which is fetched once more then.
  async remove(): Promise<boolean> {
    const { path } = this.#file;
    const found = await unlessMissing(stat(path));
    if (found?.ino !== this.#stats.ino || found.dev !== this.#stats.dev) return false;
    return (await unlessMissing(unlink(path).then(() => true))) ?? false;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function assertFile(stats: Stats, path: string): void {
  if (stats.isFile()) return;
  throw Object.assign(new Error(`Cannot read "${path}": it is not a file, move it away`), { code: 'EISDIR', path });
}
