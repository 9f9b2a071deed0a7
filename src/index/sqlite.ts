import type { DatabaseSync } from 'node:sqlite';
import type { Digest } from '../oci/digest.ts';
import type { Repository, Tag } from '../oci/reference.ts';
import type { Page } from '../oci/registry.ts';
import type { MetadataIndex, RepositoryKey, RepositoryPage, TagEntry } from './metadata-index.ts';
import { type DatabaseOptions, openDatabase } from './sqlite-database.ts';
import { prepareStatements, type Statements } from './sqlite-statements.ts';
import { inTransaction } from './sqlite-transaction.ts';

const everything = -1; // SQLite's word for no limit

/** Opens the index in a file, which is made when it is missing. Several processes may have it open. */
export function openSqliteIndex(file: string, options: Partial<DatabaseOptions> = {}): MetadataIndex {
  const { onBroken, now = Date.now } = options;
  return new SqliteIndex(openDatabase(file, { onBroken, now }));
}

/**
 * The index in a SQLite file. Every method does its work at once, on this thread: a look-up takes microseconds, less
 * than handing it to another thread would.
 */
class SqliteIndex implements MetadataIndex {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  /** Registry → repository → its number. Repositories are never removed, so what is here is right. */
  readonly #numbers = new Map<string, Map<Repository, number>>();

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepareStatements(database);
  }

  async getTag(key: RepositoryKey, tag: Tag): Promise<TagEntry | undefined> {
    const number = this.#findRepository(key);
    if (number === undefined) return undefined;
    const row = this.#statements.getTag.get(number, tag) as TagRow | undefined;
    if (row === undefined) return undefined;
    return {
      digest: row.digest,
      mediaType: row.media_type,
      sizeBytes: row.size_bytes,
      checkedAtMs: row.checked_at_ms,
    };
  }

  async putTag(key: RepositoryKey, tag: Tag, entry: TagEntry): Promise<void> {
    const { digest, mediaType, sizeBytes, checkedAtMs } = entry;
    this.#statements.putTag.run(this.#addRepository(key), tag, digest, mediaType, sizeBytes, checkedAtMs);
  }

  async removeTag(key: RepositoryKey, tag: Tag): Promise<boolean> {
    const number = this.#findRepository(key);
    return number !== undefined && this.#statements.removeTag.run(number, tag).changes > 0;
  }

  async listTags(key: RepositoryKey, page: Page): Promise<string[]> {
    const number = this.#findRepository(key);
    if (number === undefined) return [];
    const rows = this.#statements.listTags.all(number, page.last ?? '', page.count ?? everything);
    return (rows as unknown as { name: string }[]).map((row) => row.name);
  }

  async link(key: RepositoryKey, digest: Digest, mediaType: string | undefined, nowMs: number): Promise<void> {
    this.#statements.putLink.run(this.#addRepository(key), digest, mediaType ?? null, nowMs);
  }

  async getLink(key: RepositoryKey, digest: Digest): Promise<{ readonly mediaType: string | undefined } | undefined> {
    const number = this.#findRepository(key);
    if (number === undefined) return undefined;
    const row = this.#statements.getLink.get(number, digest) as { media_type: string | null } | undefined;
    return row && { mediaType: row.media_type ?? undefined };
  }

  async unlink(key: RepositoryKey, digest: Digest): Promise<boolean> {
    const number = this.#findRepository(key);
    return number !== undefined && this.#statements.removeLink.run(number, digest).changes > 0;
  }

  async listRepositories(registry: string | undefined, page: RepositoryPage): Promise<RepositoryKey[]> {
    const { listRegistry, listRepositories } = this.#statements;
    const { after, count = everything } = page;
    let rows: unknown[];
    if (registry === undefined) {
      rows = listRepositories.all(after?.registry ?? '', after?.repository ?? '', count);
    } else {
      if (after !== undefined && after.registry > registry) return [];
      const afterName = after?.registry === registry ? after.repository : '';
      rows = listRegistry.all(registry, afterName, count);
    }
    return (rows as RepositoryRow[]).map((row) => ({ registry: row.registry, repository: row.name }));
  }

  async putContent(digest: Digest, sizeBytes: number, nowMs: number): Promise<void> {
    this.#statements.putContent.run(digest, sizeBytes, nowMs);
  }

  async removeContent(digest: Digest): Promise<void> {
    inTransaction(this.#database, () => {
      this.#statements.removeContent.run(digest);
      this.#statements.removeLinks.run(digest);
    });
  }

  async recordUses(uses: ReadonlyMap<Digest, number>): Promise<void> {
    if (uses.size === 0) return;
    inTransaction(this.#database, () => {
      for (const [digest, usedAtMs] of uses) this.#statements.recordUse.run(usedAtMs, digest);
    });
  }

  async totals(): Promise<{ readonly contents: number; readonly sizeBytes: number }> {
    const row = this.#statements.totals.get() as unknown as { contents: number; size_bytes: number };
    return { contents: row.contents, sizeBytes: row.size_bytes };
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  #findRepository({ registry, repository }: RepositoryKey): number | undefined {
    const known = this.#numbers.get(registry)?.get(repository);
    if (known !== undefined) return known;
    const row = this.#statements.findRepository.get(registry, repository) as { id: number } | undefined;
    if (row === undefined) return undefined;
    const numbers = this.#numbers.get(registry) ?? new Map<Repository, number>();
    this.#numbers.set(registry, numbers.set(repository, row.id));
    return row.id;
  }

  #addRepository(key: RepositoryKey): number {
    const known = this.#findRepository(key);
    if (known !== undefined) return known;
    this.#statements.addRepository.run(key.registry, key.repository);
    return this.#findRepository(key)!; // it is there, whether this process was first or another
  }
}

interface TagRow {
  readonly digest: Digest;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly checked_at_ms: number;
}

interface RepositoryRow {
  readonly registry: string;
  readonly name: Repository;
}
