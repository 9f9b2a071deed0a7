import type { DatabaseSync } from 'node:sqlite';
import type { Digest } from '../../oci/digest.ts';
import type { Reference, Repository, Tag } from '../../oci/reference.ts';
import type { Page } from '../../oci/registry.ts';
import type { HostedIndex } from '../hosted-index.ts';
import type {
  ContentEntry,
  ContentPage,
  LinkEntry,
  ManifestEntry,
  ManifestPage,
  MetadataIndex,
  Pin,
  ReferencedContent,
  RepositoryKey,
  RepositoryKind,
  RepositoryPage,
  TagEntry,
  UnreadManifest,
  Use,
} from '../metadata-index.ts';
import { StoredContents } from './contents/sqlite-contents.ts';
import { SqliteHostedIndex } from './hosted/sqlite-hosted.ts';
import { Checkpoints } from './log/sqlite-checkpoints.ts';
import { LogSync } from './log/sqlite-log-sync.ts';
import { type DatabaseOptions, openDatabase } from './sqlite-database.ts';
import { StoredImages } from './sqlite-images.ts';
import { RepositoryNumbers } from './sqlite-repositories.ts';
import { prepareStatements, type Statements } from './sqlite-statements.ts';
import { inTransaction } from './sqlite-transaction.ts';

const everything = -1; // SQLite's word for no limit

/** Opens the index in a file, which is made when it is missing. Several processes may have it open. */
export function openSqliteIndex(file: string, options: Partial<IndexOptions> = {}): MetadataIndex & HostedIndex {
  const database = openDatabase(file, { ...options, now: options.now ?? Date.now });
  return new SqliteIndex(database, file, options.checkpointsAside ? new Checkpoints(database, file) : undefined);
}

/** What an index may be opened with. */
export interface IndexOptions extends DatabaseOptions {
  /** Has the log moved into the file by a thread of its own: for a server, whose requests would wait for it. */
  readonly checkpointsAside: boolean;
}

/**
 * The index in a SQLite file. Every method does its work at once, on this thread: a look-up takes microseconds, less
 * than handing it to another thread would.
 */
class SqliteIndex extends SqliteHostedIndex implements MetadataIndex {
  readonly #database: DatabaseSync;
  readonly #checkpoints: Checkpoints | undefined;
  readonly #statements: Statements;
  readonly #contents: StoredContents;
  readonly #images: StoredImages;
  readonly #numbers: RepositoryNumbers;
  readonly #log: LogSync;
  #version: number;

  constructor(database: DatabaseSync, file: string, checkpoints: Checkpoints | undefined) {
    const statements = prepareStatements(database);
    const contents = new StoredContents(database);
    const numbers = new RepositoryNumbers(database);
    const log = new LogSync(database, file);
    super({ database, statements, contents, numbers, log });
    this.#database = database;
    this.#checkpoints = checkpoints;
    this.#statements = statements;
    this.#contents = contents;
    this.#numbers = numbers;
    this.#log = log;
    this.#images = new StoredImages(database);
    this.#version = this.#readVersion();
  }

  async getTag(key: RepositoryKey, tag: Tag): Promise<TagEntry | undefined> {
    const number = this.#numbers.find(key);
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
    const number = this.#numbers.add(key);
    inTransaction(this.#database, () => {
      this.#statements.putTag.run(number, tag, digest, mediaType, sizeBytes, checkedAtMs);
      const { changes } = this.#statements.linkTagged.run(number, digest, mediaType, checkedAtMs);
      if (changes > 0) this.#contents.markManifest(digest);
    });
  }

  async removeTag(key: RepositoryKey, tag: Tag): Promise<boolean> {
    const number = this.#numbers.find(key);
    return number !== undefined && this.#statements.removeTag.run(number, tag).changes > 0;
  }

  async listTags(key: RepositoryKey, page: Page): Promise<string[]> {
    const number = this.#numbers.find(key);
    if (number === undefined) return [];
    const rows = this.#statements.listTags.all(number, page.last ?? '', page.count ?? everything);
    return (rows as unknown as { name: string }[]).map((row) => row.name);
  }

  async link(key: RepositoryKey, digest: Digest, mediaType: string | undefined, nowMs: number): Promise<void> {
    const number = this.#numbers.add(key);
    inTransaction(this.#database, () => {
      this.#statements.putLink.run(number, digest, mediaType ?? null, nowMs);
      if (mediaType !== undefined) this.#contents.markManifest(digest);
    });
  }

  async getLink(key: RepositoryKey, digest: Digest): Promise<LinkEntry | undefined> {
    const number = this.#numbers.find(key);
    if (number === undefined) return undefined;
    const row = this.#statements.getLink.get(number, digest) as LinkRow | undefined;
    return row && { mediaType: row.media_type ?? undefined, sizeBytes: row.size_bytes ?? undefined };
  }

  async unlink(key: RepositoryKey, digest: Digest): Promise<boolean> {
    const number = this.#numbers.find(key);
    return number !== undefined && this.#statements.removeLink.run(number, digest).changes > 0;
  }

  async listDeadLinks(beforeMs: number, count: number): Promise<(RepositoryKey & { readonly digest: Digest })[]> {
    const rows = this.#statements.listDeadLinks.all(beforeMs, count) as unknown as (RepositoryRow & {
      digest: Digest;
    })[];
    return rows.map(({ registry, name, digest }) => ({ registry, repository: name, digest }));
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

  async getKind(key: RepositoryKey): Promise<RepositoryKind | undefined> {
    const number = this.#numbers.find(key);
    if (number === undefined) return undefined;
    return (this.#statements.getKind.get(number)?.['kind'] as RepositoryKind | null | undefined) ?? undefined;
  }

  async putKind(key: RepositoryKey, kind: RepositoryKind, { ifKnown } = { ifKnown: false }): Promise<void> {
    const number = ifKnown ? this.#numbers.find(key) : this.#numbers.add(key);
    if (number !== undefined) this.#statements.putKind.run(number, kind);
  }

  async guardAll(registry: string): Promise<void> {
    this.#statements.guardAll.run(registry);
  }

  async hasOpenHolder(digest: Digest): Promise<boolean> {
    return this.#statements.hasOpenHolder.get(digest) !== undefined;
  }

  async listManifests(page: ManifestPage): Promise<ManifestEntry[]> {
    return this.#images.list(page);
  }

  async putContent(digest: Digest, sizeBytes: number, nowMs: number): Promise<void> {
    this.#contents.put(digest, sizeBytes, nowMs);
  }

  async getContent(digest: Digest): Promise<ContentEntry | undefined> {
    return this.#contents.get(digest);
  }

  async removeContent(digest: Digest): Promise<void> {
    this.#contents.remove(digest);
  }

  async removeContents(digests: readonly Digest[]): Promise<Digest[]> {
    return this.#contents.removeUnheld(digests);
  }

  async totals(): Promise<{ readonly contents: number; readonly sizeBytes: number }> {
    return this.#contents.totals();
  }

  async putReferences(digest: Digest, references: readonly Digest[]): Promise<void> {
    this.#contents.putReferences(digest, references);
  }

  async referencesOf(digest: Digest): Promise<ReferencedContent[]> {
    return this.#contents.referencesOf(digest);
  }

  async listUnreadManifests({ count, after }: ContentPage<UnreadManifest>): Promise<UnreadManifest[]> {
    return this.#contents.listUnread(count, after?.digest);
  }

  async recordUses(uses: ReadonlyMap<Digest, Use>): Promise<void> {
    await this.#contents.recordUses(uses);
  }

  async listLeastRecentlyUsed({ count, after }: Parameters<MetadataIndex['listLeastRecentlyUsed']>[0]) {
    return this.#contents.listLeastRecentlyUsed(count, after);
  }

  async listContents({ count, after }: Parameters<MetadataIndex['listContents']>[0]): Promise<ContentEntry[]> {
    return this.#contents.list(count, after?.digest);
  }

  async pin(key: RepositoryKey, reference: Reference): Promise<void> {
    this.#images.pin(this.#numbers.add(key), reference);
  }

  async unpin(key: RepositoryKey, reference: Reference): Promise<boolean> {
    const number = this.#numbers.find(key);
    return number !== undefined && this.#images.unpin(number, reference);
  }

  async listPins(): Promise<Pin[]> {
    return this.#images.listPins();
  }

  async changedElsewhere(): Promise<boolean> {
    const before = this.#version;
    this.#version = this.#readVersion();
    if (this.#version !== before) return true;
    await this.#log.assertThere();
    return false;
  }

  async close(): Promise<void> {
    await this.#checkpoints?.close();
    await this.#log.close();
    this.#database.close();
  }

  /** A number that changes when another connection has written. */
  #readVersion(): number {
    return this.#statements.dataVersion.get()!['data_version'] as number;
  }
}

interface TagRow {
  readonly digest: Digest;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly checked_at_ms: number;
}

interface LinkRow {
  readonly media_type: string | null;
  readonly size_bytes: number | null;
}

interface RepositoryRow {
  readonly registry: string;
  readonly name: Repository;
}
