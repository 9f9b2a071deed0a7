import { randomBytes } from 'node:crypto';
import { renameSync, type Stats, statSync } from 'node:fs';
import { stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { StoredBlob } from '../blob-store.ts';
import { syncFolder } from '../folders/folder.ts';
import { type OpenFile, openFile } from '../folders/open-file.ts';
import { isSystemError } from '../system-error.ts';

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

  /**
   * Writers put blobs in place by threads that wait for nobody here, and in other processes. So what has the name is moved
   * aside, at once, before it is removed, and goes back when it is another's: both are whole, and of one digest, so it does
   * not matter which stays when there is one more by then. Nothing waits in between, and the look before lets it come to
   * that only when a writer commits within microseconds of it. What remains: a process that is killed, or a machine that
   * loses its power, between the two moves of another's blob leaves it under a name that is no blob's.
   */
  async remove(): Promise<boolean> {
    const { path } = this.#file;
    if (!this.#isAt(path)) return false;
    const aside = `${path}.${randomBytes(8).toString('hex')}.removed`;
    if (!isMoved(path, aside)) return false;
    if (this.#isAt(aside)) {
      await unlink(aside);
      return true;
    }
    renameSync(aside, path);
    await syncFolder(dirname(path)); // its writer may have done so while it was aside
    return false;
  }

  #isAt(path: string): boolean {
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.ino === this.#stats.ino && found.dev === this.#stats.dev;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Moves a file; false when there is none. */
function isMoved(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false;
    throw error;
  }
}

function assertFile(stats: Stats, path: string): void {
  if (stats.isFile()) return;
  throw Object.assign(new Error(`Cannot read "${path}": it is not a file, move it away`), { code: 'EISDIR', path });
}
