import { DatabaseSync } from 'node:sqlite';

/** A lock on a file. It ends with the process, however that ends; and with this object, so whoever holds the lock keeps it. */
export interface FileLock {
  release(): void;
}

const busyCode = 5; // SQLITE_BUSY

// Without a journal in memory there would be a file more, of which nothing is used.
const statements = {
  shared: 'PRAGMA journal_mode = MEMORY; BEGIN; SELECT count(*) FROM sqlite_schema',
  alone: 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE',
};

/**
 * Locks an empty file, which is made when it is missing: with any number of others, or alone. Undefined while somebody
 * else is in the way. Node.js has no locks of files, but its SQLite does, and an empty database is an empty file.
 */
export function lockFile(path: string, how: keyof typeof statements): FileLock | undefined {
  const database = openFile(path);
  try {
    database.exec(statements[how]);
    return { release: () => database.close() };
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === busyCode) return undefined;
    throw error;
  }
}

function openFile(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (error) {
    const why = `${(error as Error).message}; this user has to be able to write in its folder`;
    throw Object.assign(new Error(`Cannot lock "${path}": ${why}`, { cause: error }), { code: 'LOCK_REFUSED' });
  }
}
