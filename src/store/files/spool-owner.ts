import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { type FileLock, lockFile } from '../../util/locks/file-lock.ts';
import { explainSystemError } from '../system-error.ts';
import { lockPath, type StoreFolders } from './fs-layout.ts';

const maxAttempts = 20; // only one that looks for dead owners at the same moment can be in the way

interface OwnedLock {
  readonly owner: string;
  readonly lock: FileLock;
}

/**
 * Says that the writers of a store live. While it has any it holds a lock, which the system ends with the process,
 * however that ends. So nobody takes from a writer that lives what is its own, and everybody from one that died; the
 * number of a process would not do, as in containers that share a folder all have the same.
 */
export class SpoolOwner {
  readonly #folders: StoreFolders;
  #owned: OwnedLock | undefined;
  #writers = 0;
  #written = 0;

  constructor(folders: StoreFolders) {
    this.#folders = folders;
  }

  /** Counts one more writer, until `leave`; gives the owner's name and the writer's number. */
  enter(): { readonly owner: string; readonly number: number } {
    this.#owned ??= takeNewLock(this.#folders);
    this.#writers++;
    this.#written = (this.#written + 1) % 2 ** 32;
    return { owner: this.#owned.owner, number: this.#written };
  }

  /** Ends the count of a writer, whose file has another name by now, or none. */
  leave(): void {
    if (--this.#writers > 0) return;
    const { owner, lock } = this.#owned!;
    this.#owned = undefined;
    rmSync(lockPath(this.#folders, owner), { force: true });
    lock.release();
  }
}

/** Removes the lock of an owner that is dead. False when it lives, as far as can be told. */
export function buryOwner(folders: StoreFolders, owner: string): boolean {
  const path = lockPath(folders, owner);
  if (!existsSync(path)) return true; // it is there before the first file of its owner, and goes after the last
  const lock = lockFile(path, 'alone');
  if (lock === undefined) return false;
  rmSync(path, { force: true });
  lock.release();
  return true;
}

// Between the making of the file and the lock on it, somebody may take it for that of a dead owner and remove it.
function takeNewLock(folders: StoreFolders): OwnedLock {
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const owner = randomBytes(4).toString('hex');
    const path = lockPath(folders, owner);
    makeFile(path);
    const lock = lockFile(path, 'alone');
    if (lock && existsSync(path)) return { owner, lock };
    lock?.release();
  }
  throw new Error(`Cannot lock a file in "${folders.spool}": another process is in the way, try again`);
}

// SQLite would make it, too, but not say why it cannot.
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    throw explainSystemError('make', path, error);
  }
}
