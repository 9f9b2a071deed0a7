import type { DatabaseSync } from 'node:sqlite';
import type { Digest } from '../../../oci/digest.ts';
import { hostedRegistryName } from '../../../oci/hosted.ts';
import type { Repository, Tag } from '../../../oci/reference.ts';
import type {
  AddedBlob,
  HeldLink,
  HostedIndex,
  HostedLink,
  HostedLinks,
  HostedManifest,
  HostedPage,
  HostedReferrer,
  LetGo,
  OnlyUnused,
  ReferrerPage,
  RemovedManifest,
} from '../../hosted-index.ts';
import type { ContentPage, RepositoryKey } from '../../metadata-index.ts';
import type { StoredContents } from '../contents/sqlite-contents.ts';
import type { LogSync } from '../log/sqlite-log-sync.ts';
import type { RepositoryNumbers } from '../sqlite-repositories.ts';
import type { Statements } from '../sqlite-statements.ts';
import { inTransaction } from '../sqlite-transaction.ts';
import {
  type LetGoRow,
  type LinkRow,
  type LookRow,
  type ReferrerRow,
  toHeldLink,
  toLink,
  toReferrer,
} from './sqlite-hosted-rows.ts';
import { type HostedStatements, prepareHostedStatements } from './sqlite-hosted-statements.ts';

const hardlyOldMs = 60_000; // a write for each look would be too much, and grace times are longer
const aboveAllNumbers = Number.MIN_SAFE_INTEGER; // hosted repositories count down

/** What the hosted part of the index shares with the rest. */
export interface HostedParts {
  readonly database: DatabaseSync;
  readonly statements: Statements;
  readonly contents: StoredContents;
  readonly numbers: RepositoryNumbers;
  readonly log: LogSync;
}

/** The hosted repositories of the index in a SQLite file. */
export class SqliteHostedIndex implements HostedIndex {
  readonly #parts: HostedParts;
  readonly #hosted: HostedStatements;

  constructor(parts: HostedParts) {
    this.#parts = parts;
    this.#hosted = prepareHostedStatements(parts.database);
  }

  async hold(repository: Repository, digest: Digest, nowMs: number): Promise<void> {
    this.#hosted.renewLink.run(this.#add(repository), digest, null, nowMs);
  }

  async renew(repository: Repository, digest: Digest, nowMs: number): Promise<void> {
    const number = this.#find(repository);
    if (number === undefined) return;
    const { getLink, renewOlder } = this.#hosted;
    const link = getLink.get(number, digest) as LinkRow | undefined; // an update waits for other writers, whatever it finds
    if (link !== undefined && link.linked_at_ms < nowMs - hardlyOldMs) renewOlder.run(nowMs, number, digest);
  }

  async addBlob(
    repository: Repository,
    digest: Digest,
    sizeBytes: number,
    nowMs: number,
    mustBeHeld = false,
  ): Promise<AddedBlob | 'unheld' | undefined> {
    const { database, contents } = this.#parts;
    const number = this.#add(repository);
    return inTransaction(database, () => {
      if (mustBeHeld && this.#hosted.getLink.get(number, digest) === undefined) return 'unheld';
      this.#hosted.renewLink.run(number, digest, null, nowMs);
      if (contents.putAnewWithin(digest, sizeBytes, nowMs)) return undefined;
      contents.putWithin(digest, sizeBytes, nowMs);
      return { digest, storedAtMs: nowMs };
    });
  }

  async takeBack({ digest, storedAtMs }: AddedBlob): Promise<void> {
    this.#parts.contents.takeBack(digest, storedAtMs);
  }

  async mountBlob(repository: Repository, digest: Digest, nowMs: number): Promise<boolean> {
    const { isStored, renewLink } = this.#hosted;
    if (!isStored.get(digest)) return false; // it makes no repository
    const number = this.#add(repository);
    return inTransaction(this.#parts.database, () => {
      if (!isStored.get(digest)) return false;
      renewLink.run(number, digest, null, nowMs);
      return true;
    });
  }

  async putManifest(
    repository: Repository,
    manifest: HostedManifest,
    tags: readonly Tag[],
    nowMs: number,
  ): Promise<Digest[]> {
    const { database, statements, contents } = this.#parts;
    const { renewLink, has, getLink } = this.#hosted;
    const { digest, mediaType, sizeBytes, references } = manifest;
    const number = this.#add(repository);
    return inTransaction(database, () => {
      const missing = [...new Set(manifest.required)].filter((required) => !has.get(number, required));
      if (manifest.mustBeHeld && getLink.get(number, digest) === undefined) missing.push(digest);
      if (missing.length > 0) return missing;
      renewLink.run(number, digest, mediaType, nowMs);
      contents.putWithin(digest, sizeBytes, nowMs);
      contents.putReferencesWithin(digest, references);
      this.#describe(number, manifest);
      for (const tag of tags) statements.putTag.run(number, tag, digest, mediaType, sizeBytes, nowMs);
      return [];
    });
  }

  async untag(repository: Repository, tag: Tag, digest?: Digest): Promise<boolean> {
    const number = this.#find(repository);
    return number !== undefined && this.#hosted.untag.run(number, tag, digest ?? null).changes > 0;
  }

  async removeManifest(
    repository: Repository,
    digest: Digest,
    only?: OnlyUnused,
  ): Promise<RemovedManifest | undefined> {
    const { getLink, isUnused, listTagsOf, removeTagsOf, makeBlob } = this.#hosted;
    const number = this.#find(repository);
    if (number === undefined) return undefined;
    return inTransaction(this.#parts.database, () => {
      const link = getLink.get(number, digest) as LinkRow | undefined;
      if (link === undefined || link.media_type === null) return undefined;
      if (only && !isUnused.get(number, digest, only.beforeMs, only.orReferrer ? 1 : 0)) return undefined;
      const tags = listTagsOf.all(digest, number).map((row) => row['name'] as Tag);
      removeTagsOf.run(digest, number);
      makeBlob.run(number, digest);
      return { tags, linkedAtMs: link.linked_at_ms };
    });
  }

  async letGo(repository: Repository, digest: Digest, { linkedAtMs }: RemovedManifest): Promise<void> {
    const { letGo, removeManifest } = this.#hosted;
    const number = this.#find(repository);
    if (number === undefined) return;
    inTransaction(this.#parts.database, () => {
      if (letGo.run(number, digest, linkedAtMs).changes > 0) removeManifest.run(number, digest);
    });
  }

  async removeBlob(
    repository: Repository,
    digest: Digest,
    beforeMs = Number.POSITIVE_INFINITY,
  ): Promise<'removed' | 'missing' | 'referenced' | 'renewed'> {
    const { getLink, isReferenced, removeLink, removeManifest } = this.#hosted;
    const number = this.#find(repository);
    if (number === undefined) return 'missing';
    return inTransaction(this.#parts.database, () => {
      const link = getLink.get(number, digest) as LinkRow | undefined;
      if (link === undefined || link.media_type !== null) return 'missing';
      if (isReferenced.get(number, digest)) return 'referenced';
      if (link.linked_at_ms >= beforeMs) return 'renewed';
      removeLink.run(number, digest);
      removeManifest.run(number, digest); // it may have been one
      return 'removed';
    });
  }

  async isReferenced(repository: Repository, digest: Digest): Promise<boolean> {
    const number = this.#find(repository);
    return number !== undefined && this.#hosted.isReferenced.get(number, digest) !== undefined;
  }

  async listReferrers(repository: Repository, subject: Digest, page: ReferrerPage): Promise<HostedReferrer[]> {
    const number = this.#find(repository);
    if (number === undefined) return [];
    const { count, after = '', artifactType = null } = page;
    const rows = this.#hosted.listReferrers.all(
      number,
      subject,
      after,
      artifactType,
      count,
    ) as unknown as ReferrerRow[];
    return rows.map(toReferrer);
  }

  async listHeld(page: HostedPage): Promise<HostedLinks<HeldLink>> {
    const { found, next } = this.#look(page);
    return { found: found.map(toHeldLink), next };
  }

  async listLost(page: HostedPage): Promise<HostedLinks<HostedLink>> {
    const { found, next } = this.#look(page);
    return { found: found.filter((row) => row.is_lost === 1).map(toLink), next };
  }

  async listHolders(digest: Digest, count: number): Promise<RepositoryKey[]> {
    const rows = this.#hosted.listHolders.all(digest, count) as unknown as { registry: string; name: Repository }[];
    return rows.map(({ registry, name }) => ({ registry, repository: name }));
  }

  async listLetGo({ count, after }: ContentPage<LetGo>): Promise<LetGo[]> {
    const rows = this.#hosted.listLetGo.all(after?.digest ?? '', count) as unknown as LetGoRow[];
    return rows.map(({ digest, size_bytes }) => ({ digest, sizeBytes: size_bytes }));
  }

  async listUnlinked(digests: readonly Digest[]): Promise<Digest[]> {
    return digests.filter((digest) => !this.#hosted.isLinked.get(digest));
  }

  async hostedTotals() {
    const { hosted_contents, hosted_bytes } = this.#hosted.totals.get() as Record<string, number>;
    const { repositories } = this.#hosted.countRepositories.get() as Record<string, number>;
    return { repositories: repositories!, contents: hosted_contents!, sizeBytes: hosted_bytes! };
  }

  async isRebuilt(): Promise<boolean> {
    return this.#hosted.isRebuilt.get() !== undefined;
  }

  async markRebuilt(): Promise<void> {
    this.#hosted.markRebuilt.run();
  }

  sync(): Promise<void> {
    return this.#parts.log.sync();
  }

  /** Notes what a manifest refers to and references, instead of what was noted before. */
  #describe(number: number, { digest, subject, artifactType, annotations, references }: HostedManifest): void {
    const { removeManifest, putManifest, addReference } = this.#hosted;
    const noted = annotations === undefined ? null : JSON.stringify(annotations);
    removeManifest.run(number, digest);
    putManifest.run(number, digest, subject ?? null, artifactType ?? null, noted);
    for (const reference of references) addReference.run(number, digest, reference);
  }

  #look({ count, after }: HostedPage): HostedLinks<LookRow> {
    const number = after === undefined ? aboveAllNumbers : this.#find(after.repository);
    if (number === undefined) return { found: [] };
    const found = this.#hosted.listLinks.all(number, after?.digest ?? '', count) as unknown as LookRow[];
    const last = found.at(-1);
    if (last === undefined || found.length < count) return { found };
    return { found, next: { repository: last.name, digest: last.digest } };
  }

  #find(repository: Repository): number | undefined {
    return this.#parts.numbers.find({ registry: hostedRegistryName, repository });
  }

  #add(repository: Repository): number {
    return this.#parts.numbers.add({ registry: hostedRegistryName, repository });
  }
}
