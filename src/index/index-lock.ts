import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { type FileLock, lockFile } from '../util/locks/file-lock.ts';

/**
 * Who holds an index: any number of servers that use it, or one who makes it anew in another file, of which those that
 * have the old one open would never learn.
 */
export type IndexLock = FileLock;

/** Holds an index as one of those that use it; undefined while somebody makes it anew. */
export function lockForUse(indexFile: string): IndexLock | undefined {
  return lock(indexFile, 'shared');
}

/** Holds an index alone; undefined while others use it. */
export function lockForReplacement(indexFile: string): IndexLock | undefined {
  return lock(indexFile, 'alone');
}

// On an empty file beside it: the index itself is locked and unlocked by whatever is done with it.
function lock(indexFile: string, how: 'shared' | 'alone'): IndexLock | undefined {
  mkdirSync(dirname(indexFile), { recursive: true });
  return lockFile(`${indexFile}.lock`, how);
}
