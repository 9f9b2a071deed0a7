import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lockFile } from '../../util/locks/file-lock.ts';
import { explainSystemError } from '../system-error.ts';

const maxAttempts = 20; // only one that looks for dead owners at the same moment can be in the way

/**
 * Says that whoever has files in a folder lives: a lock on a file, which the system ends with the process, however that
 * ends. The number of a process would not do, as in containers that share a folder all have the same.
 */
export interface OwnerLock {
  /** Eight hex digits that no other owner has. */
  readonly owner: string;
  /** Whether it has its name still; when somebody has removed that by hand, its owner is dead to others. */
  isThere(): boolean;
  /** Lets others take what is the owner's. Called once. */
  release(): void;
}

/** Begins an owner of files in a folder. */
export function takeOwnerLock(folder: string): OwnerLock {
  // Between the making of the file and the lock on it, somebody may take it for that of a dead owner and remove it.
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const owner = randomBytes(4).toString('hex');
    const path = lockPath(folder, owner);
    makeFile(path);
    const lock = lockFile(path, 'alone');
    const release = () => {
      rmSync(path, { force: true });
      lock?.release();
    };
    const isThere = () => existsSync(path);
    if (lock && isThere()) return { owner, isThere, release };
    lock?.release();
  }
  throw new Error(`Cannot lock a file in "${folder}": another process is in the way, try again`);
}

/** Removes the lock of an owner that is dead. False when it lives, as far as can be told. */
export function buryOwner(folder: string, owner: string): boolean {
  const path = lockPath(folder, owner);
  if (!existsSync(path)) return true; // it is there before the first file of its owner
  const lock = lockFile(path, 'alone');
  if (lock === undefined) return false;
  rmSync(path, { force: true });
  lock.release();
  return true;
}

/** Whose lock a file is, by its name; undefined when it is none. */
export function ownerOfLock(name: string): string | undefined {
  return /^([0-9a-f]{8})\.lock$/.exec(name)?.[1];
}

function lockPath(folder: string, owner: string): string {
  return join(folder, `${owner}.lock`);
}

// SQLite would make it, too, but not say why it cannot.
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    throw explainSystemError('make', path, error);
  }
}
