import type { DatabaseSync } from 'node:sqlite';
import { firstSchema } from '../migrations/0001-first-schema.ts';
import { referencesAndPins } from '../migrations/0002-references-and-pins.ts';
import { hostedRepositories } from '../migrations/0003-hosted-repositories.ts';
import { rebuiltFromRecords } from '../migrations/0004-rebuilt-from-records.ts';
import { contentLetGo } from '../migrations/0005-content-let-go.ts';
import { repositoryKinds } from '../migrations/0006-repository-kinds.ts';
import { heldFromTheStart } from '../migrations/0007-held-from-the-start.ts';
import { inTransaction } from './sqlite-transaction.ts';

/** One step from a schema to the next. Once released it never changes. */
export interface Migration {
  readonly id: number;
  readonly name: string;
  readonly sql: string;
}

/** Every migration, in the order in which they are applied. */
export const migrations: readonly Migration[] = [
  firstSchema,
  referencesAndPins,
  hostedRepositories,
  rebuiltFromRecords,
  contentLetGo,
  repositoryKinds,
  heldFromTheStart,
];

/**
 * Brings a database to this version's schema.
 * @throws Error with the code `INDEX_NEWER` when a newer version wrote it; it is left as it is
 */
export function migrate(database: DatabaseSync, steps: readonly Migration[] = migrations): void {
  inTransaction(database, () => {
    database.exec('CREATE TABLE IF NOT EXISTS migrations (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT');
    const applied = new Set(
      database
        .prepare('SELECT id FROM migrations')
        .all()
        .map((row) => row['id']),
    );
    assertKnown(applied, steps);
    const note = database.prepare('INSERT INTO migrations (id, name) VALUES (?, ?)');
    for (const step of steps) {
      if (applied.has(step.id)) continue;
      database.exec(step.sql);
      note.run(step.id, step.name);
    }
  });
}

function assertKnown(applied: ReadonlySet<unknown>, steps: readonly Migration[]): void {
  const known = new Set<unknown>(steps.map((step) => step.id));
  const unknown = [...applied].filter((id) => !known.has(id));
  if (unknown.length === 0) return;
  const message = `a newer version wrote it (migration ${unknown.join(', ')}), start that version or move it away`;
  throw Object.assign(new Error(message), { code: 'INDEX_NEWER' });
}
