import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/**
 * Who holds an index: any number of servers that use it, or one who makes it anew in another file, of which those that
 * have the old one open would never learn.
 */
export interface IndexLock {
  release(): void;
}

const busyCode = 5; // SQLITE_BUSY

/**
 * Holds an index as one of those that use it; undefined while somebody makes it anew. The lock is the system's on an
 * empty file beside the index, so that it ends with the process, however that ends; Node.js knows no locks of files, but
 * its SQLite does.
 */
export function lockForUse(indexFile: string): IndexLock | undefined {
  return lock(indexFile, 'BEGIN; SELECT count(*) FROM sqlite_schema');
}

/** Holds an index alone; undefined while others use it. */
export function lockForReplacement(indexFile: string): IndexLock | undefined {
  return lock(indexFile, 'BEGIN EXCLUSIVE');
}

function lock(indexFile: string, statement: string): IndexLock | undefined {
  const file = `${indexFile}.lock`;
  mkdirSync(dirname(file), { recursive: true });
  const database = new DatabaseSync(file);
  try {
    database.exec(statement);
    return { release: () => database.close() };
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === busyCode) return undefined;
    throw error;
  }
}
