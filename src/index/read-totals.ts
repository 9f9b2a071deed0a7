import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const busyTimeoutMs = 1_000; // a look at it is not worth more

/**
 * How much an index says is stored; undefined when there is no such file. It is read, and not changed: neither made,
 * nor brought to this version, nor moved aside when it is damaged.
 * @throws INDEX_UNREADABLE
 */
export function readTotals(file: string): { readonly contents: number; readonly sizeBytes: number } | undefined {
  if (!existsSync(file)) return undefined;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: busyTimeoutMs });
    const row = database
      .prepare('SELECT count(*) AS contents, coalesce(sum(size_bytes), 0) AS size_bytes FROM contents')
      .get() as { contents: number; size_bytes: number };
    return { contents: row.contents, sizeBytes: row.size_bytes };
  } catch (error) {
    const message = `Cannot read the index "${file}": ${(error as Error).message}`;
    throw Object.assign(new Error(message, { cause: error }), { code: 'INDEX_UNREADABLE' });
  } finally {
    database?.close();
  }
}
