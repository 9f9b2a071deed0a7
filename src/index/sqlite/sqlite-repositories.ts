import type { DatabaseSync } from 'node:sqlite';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Repository } from '../../oci/reference.ts';
import type { RepositoryKey } from '../metadata-index.ts';

/** The numbers of the repositories in a database; those of hosted ones are negative. */
export class RepositoryNumbers {
  readonly #statements: ReturnType<typeof prepareNumberStatements>;
  /** Registry → repository → its number. Repositories are never removed, so what is here is right. */
  readonly #known = new Map<string, Map<Repository, number>>();

  constructor(database: DatabaseSync) {
    this.#statements = prepareNumberStatements(database);
  }

  find({ registry, repository }: RepositoryKey): number | undefined {
    const known = this.#known.get(registry)?.get(repository);
    if (known !== undefined) return known;
    const row = this.#statements.find.get(registry, repository) as { id: number } | undefined;
    if (row === undefined) return undefined;
    const numbers = this.#known.get(registry) ?? new Map<Repository, number>();
    this.#known.set(registry, numbers.set(repository, row.id));
    return row.id;
  }

  /** Not within a transaction: one that fails would take back what is remembered here. */
  add(key: RepositoryKey): number {
    const known = this.find(key);
    if (known !== undefined) return known;
    const { add, addHosted } = this.#statements;
    (key.registry === hostedRegistryName ? addHosted : add).run(key.registry, key.repository);
    return this.find(key)!; // it is there, whether this process was first or another
  }
}

function prepareNumberStatements(database: DatabaseSync) {
  return {
    find: database.prepare('SELECT id FROM repositories WHERE registry = ? AND name = ?'),
    add: database.prepare('INSERT INTO repositories (registry, name) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    addHosted: database.prepare(`
      INSERT INTO repositories (id, registry, name) SELECT min(coalesce(min(id), 0), 0) - 1, ?, ? FROM repositories WHERE true
      ON CONFLICT (registry, name) DO NOTHING`),
  };
}
