import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const busyTimeoutMs = 1_000; // a look at it is not worth more

/** How much an index says is stored: of the cache, and of what is hosted. */
export interface ReadTotals {
  readonly contents: number;
  readonly sizeBytes: number;
  readonly hosted: { readonly repositories: number; readonly contents: number; readonly sizeBytes: number };
}

/**
 * How much an index says is stored; undefined when there is no such file. It is read, and not changed: neither made,
 * nor brought to this version, nor moved aside when it is damaged.
 * @throws INDEX_UNREADABLE
 */
export function readTotals(file: string): ReadTotals | undefined {
  if (!existsSync(file)) return undefined;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: busyTimeoutMs });
    const isOlder = !database.prepare(`SELECT 1 FROM pragma_table_info('contents') WHERE name = 'hosted'`).get();
    const cached = addUp(database, isOlder ? '' : 'WHERE hosted = 0');
    if (isOlder) return { ...cached, hosted: { repositories: 0, contents: 0, sizeBytes: 0 } };
    const { repositories } = database
      .prepare('SELECT count(DISTINCT repository_id) AS repositories FROM links WHERE repository_id < 0')
      .get() as { repositories: number };
    return { ...cached, hosted: { repositories, ...addUp(database, 'WHERE hosted = 1') } };
  } catch (error) {
    const message = `Cannot read the index "${file}": ${(error as Error).message}`;
    throw Object.assign(new Error(message, { cause: error }), { code: 'INDEX_UNREADABLE' });
  } finally {
    database?.close();
  }
}

function addUp(database: DatabaseSync, which: string): { readonly contents: number; readonly sizeBytes: number } {
  const row = database
    .prepare(`SELECT count(*) AS contents, coalesce(sum(size_bytes), 0) AS size_bytes FROM contents ${which}`)
    .get() as { contents: number; size_bytes: number };
  return { contents: row.contents, sizeBytes: row.size_bytes };
}
