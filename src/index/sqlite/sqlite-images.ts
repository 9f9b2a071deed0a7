import type { DatabaseSync } from 'node:sqlite';
import type { Digest } from '../../oci/digest.ts';
import type { Reference, Repository, Tag } from '../../oci/reference.ts';
import type { ManifestEntry, ManifestPage, Pin } from '../metadata-index.ts';

/** The stored manifests of the index by the repositories that have them, and what is pinned. */
export class StoredImages {
  readonly #statements: ReturnType<typeof prepareImageStatements>;

  constructor(database: DatabaseSync) {
    this.#statements = prepareImageStatements(database);
  }

  /** The rest of the repository that the page before ended in, then the repositories after it. */
  list({ registry, repository, count, after }: ManifestPage): ManifestEntry[] {
    const { listOfRepository, listAfter, listOfRegistryAfter } = this.#statements;
    if (registry !== undefined && repository !== undefined) {
      const isWithin = after?.registry === registry && after.repository === repository;
      return toEntries(listOfRepository.all(registry, repository, isWithin ? after.digest : '', count));
    }
    if (after === undefined) {
      if (registry === undefined) return toEntries(listAfter.all('', '', count));
      return toEntries(listOfRegistryAfter.all(registry, '', count));
    }
    const first = toEntries(listOfRepository.all(after.registry, after.repository, after.digest, count));
    const missing = count - first.length;
    const rest =
      registry === undefined
        ? listAfter.all(after.registry, after.repository, missing)
        : listOfRegistryAfter.all(registry, after.repository, missing);
    return [...first, ...toEntries(rest)];
  }

  pin(repositoryNumber: number, reference: Reference): void {
    this.#statements.pin.run(repositoryNumber, reference);
  }

  unpin(repositoryNumber: number, reference: Reference): boolean {
    return this.#statements.unpin.run(repositoryNumber, reference).changes > 0;
  }

  listPins(): Pin[] {
    const rows = this.#statements.listPins.all() as unknown as PinRow[];
    return rows.map(({ registry, name, reference }) => ({ registry, repository: name, reference }));
  }
}

interface PinRow {
  readonly registry: string;
  readonly name: Repository;
  readonly reference: Reference;
}

interface ManifestRow {
  readonly registry: string;
  readonly name: Repository;
  readonly digest: Digest;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly used_at_ms: number;
  readonly hits: number;
  readonly tags: string;
}

function toEntries(rows: unknown[]): ManifestEntry[] {
  return (rows as ManifestRow[]).map((row) => ({
    registry: row.registry,
    repository: row.name,
    digest: row.digest,
    mediaType: row.media_type,
    sizeBytes: row.size_bytes,
    usedAtMs: row.used_at_ms,
    hits: row.hits,
    tags: (JSON.parse(row.tags) as Tag[]).sort(),
  }));
}

/** Prepares the statements about manifests by repository, and pins. */
export function prepareImageStatements(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    listOfRepository: prepare(selectManifests('registry = ? AND repositories.name = ? AND links.digest > ?')),
    listAfter: prepare(selectManifests('(registry, repositories.name) > (?, ?)')),
    listOfRegistryAfter: prepare(selectManifests('registry = ? AND repositories.name > ?')),

    pin: prepare('INSERT INTO pins (repository_id, reference) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    unpin: prepare('DELETE FROM pins WHERE repository_id = ? AND reference = ?'),
    listPins: prepare(`
      SELECT registry, name, reference FROM pins JOIN repositories ON id = repository_id
      ORDER BY registry, name, reference`),
  };
}

// The joins in this order, and by these indexes, give the rows in theirs: nothing is sorted, and nothing beyond the page
// is read.
function selectManifests(which: string): string {
  return `
    SELECT registry, repositories.name, links.digest, media_type, size_bytes, used_at_ms, hits,
      (SELECT json_group_array(tags.name) FROM tags
        WHERE tags.digest = links.digest AND tags.repository_id = links.repository_id) AS tags
    FROM repositories
    CROSS JOIN links INDEXED BY manifests_by_repository ON repository_id = repositories.id AND media_type IS NOT NULL
    CROSS JOIN contents ON contents.digest = links.digest
    WHERE ${which} ORDER BY registry, repositories.name, links.digest LIMIT ?`;
}
