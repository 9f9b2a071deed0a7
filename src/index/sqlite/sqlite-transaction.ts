import type { DatabaseSync } from 'node:sqlite';

/** Does all of the work or none of it. The lock is taken at once: one that is taken later may not be waited for. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK'); // a full disk has ended it already
    throw error;
  }
}
