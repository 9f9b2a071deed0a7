import type { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import type { Digest } from '../../../oci/digest.ts';
import type { ContentEntry, ReferencedContent, UnreadManifest, Use } from '../../metadata-index.ts';
import { inTransaction } from '../sqlite-transaction.ts';
import { type ContentStatements, prepareContentStatements } from './sqlite-content-statements.ts';

/** How long uses are written in one go: everything else waits meanwhile, in this process and in others. */
const maxTransactionMs = 8;

/** Beyond this, what references manifests that reference manifests … is ranked alike: nobody nests so deep in earnest. */
const lowestRank = -8;

/** The stored contents of the index: their sizes and uses, and what references what. */
export class StoredContents {
  readonly #database: DatabaseSync;
  readonly #statements: ContentStatements;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepareContentStatements(database);
  }

  put(digest: Digest, sizeBytes: number, nowMs: number): void {
    inTransaction(this.#database, () => this.putWithin(digest, sizeBytes, nowMs));
  }

  /** As `put`, within a transaction of the caller. */
  putWithin(digest: Digest, sizeBytes: number, nowMs: number): void {
    const { put, isLinkedAsManifest } = this.#statements;
    put.run(digest, sizeBytes, nowMs);
    if (isLinkedAsManifest.get(digest)) this.markManifest(digest);
  }

  get(digest: Digest): ContentEntry | undefined {
    return this.#complete(this.#statements.get.all(digest))[0];
  }

  /** Notes content that was stored once more just now, within a transaction of the caller; false when it is not here. */
  putAnewWithin(digest: Digest, sizeBytes: number, nowMs: number): boolean {
    return this.#statements.putAnew.run(digest, sizeBytes, nowMs).changes > 0;
  }

  /** As `remove`, unless it was stored once more since. */
  takeBack(digest: Digest, storedAtMs: number): void {
    const { isStoredSince, remove, removeLinks } = this.#statements;
    inTransaction(this.#database, () => {
      if (isStoredSince.get(digest, storedAtMs) === undefined) return;
      remove.run(digest);
      removeLinks.run(digest);
    });
  }

  /** Held content goes, too, but hosted repositories stay linked to it, and so do its references from there. */
  remove(digest: Digest): void {
    const { remove, removeLinks } = this.#statements;
    inTransaction(this.#database, () => {
      remove.run(digest);
      removeLinks.run(digest);
    });
  }

  /** Removes what is not held, and the tags that stand for it; returns that. */
  removeUnheld(digests: readonly Digest[]): Digest[] {
    const { isHeld, remove, removeLinks, removeTags } = this.#statements;
    return inTransaction(this.#database, () => {
      const removed = digests.filter((digest) => !isHeld.get(digest));
      for (const digest of removed) {
        remove.run(digest);
        removeLinks.run(digest);
        removeTags.run(digest);
      }
      return removed;
    });
  }

  totals(): { readonly contents: number; readonly sizeBytes: number } {
    const row = this.#statements.totals.get() as unknown as { contents: number; size_bytes: number };
    return { contents: row.contents, sizeBytes: row.size_bytes };
  }

  /** Makes stored content a manifest, if it is none yet; what it references is then still to be noted. */
  markManifest(digest: Digest): void {
    const { getRank, addUnread } = this.#statements;
    const row = getRank.get(digest) as { rank: number } | undefined;
    if (row?.rank !== 0) return;
    addUnread.run(digest);
    this.#lower(digest, -1);
  }

  putReferences(digest: Digest, references: readonly Digest[]): void {
    inTransaction(this.#database, () => this.putReferencesWithin(digest, references));
  }

  /** As `putReferences`, within a transaction of the caller. */
  putReferencesWithin(digest: Digest, references: readonly Digest[]): void {
    const used = this.#statements.getUse.get(digest) as { used_at_ms: number } | undefined;
    if (used === undefined) return;
    const { removeReferences, addReference, removeUnread, rankOfReferences } = this.#statements;
    removeReferences.run(digest);
    for (const reference of references) addReference.run(digest, reference);
    removeUnread.run(digest);
    const { rank } = rankOfReferences.get(digest) as { rank: number | null };
    this.#lower(digest, (rank ?? 0) - 1);
    for (const _ of this.#noteUse(references, used.used_at_ms, new Set())); // as many steps as there are
  }

  referencesOf(digest: Digest): ReferencedContent[] {
    const rows = this.#statements.referencesWithSizes.all(digest) as { target: Digest; size_bytes: number | null }[];
    return rows.map((row) => ({ digest: row.target, sizeBytes: row.size_bytes ?? undefined }));
  }

  listUnread(count: number, after: string = ''): UnreadManifest[] {
    const rows = this.#statements.listUnread.all(after, count) as { digest: Digest; media_type: string | null }[];
    return rows.map((row) => ({ digest: row.digest, mediaType: row.media_type ?? '' }));
  }

  async recordUses(uses: ReadonlyMap<Digest, Use>): Promise<void> {
    if (uses.size === 0) return;
    const steps = this.#noteUses(uses);
    for (;;) {
      const done = inTransaction(this.#database, () => {
        const untilMs = performance.now() + maxTransactionMs;
        for (;;) {
          if (steps.next().done) return true;
          if (performance.now() > untilMs) return false;
        }
      });
      if (done) return;
      await setImmediate();
    }
  }

  listLeastRecentlyUsed(
    count: number,
    after: Pick<ContentEntry, 'usedAtMs' | 'level' | 'digest'> | undefined,
  ): ContentEntry[] {
    const { usedAtMs, level, digest } = after ?? { usedAtMs: Number.MIN_SAFE_INTEGER, level: 0, digest: '' };
    return this.#complete(this.#statements.listByUse.all(usedAtMs, -level, digest, count));
  }

  list(count: number, after: Digest | undefined): ContentEntry[] {
    return this.#complete(this.#statements.listByDigest.all(after ?? '', count));
  }

  /**
   * The latest use goes first, and what it references with it: then nothing need be written twice, however many
   * manifests of the batch reference it.
   */
  *#noteUses(uses: ReadonlyMap<Digest, Use>): Generator<void> {
    const seen = new Set<Digest>();
    for (const [digest, { atMs, hits }] of [...uses].sort(([, a], [, b]) => b.atMs - a.atMs)) {
      if (hits > 0) this.#statements.addHits.run(hits, digest);
      yield* this.#noteUse([digest], atMs, seen);
    }
  }

  /** Notes a use of contents, and of what they reference, one at each step. */
  *#noteUse(digests: readonly Digest[], atMs: number, seen: Set<Digest>): Generator<void> {
    const { raiseUse, getRank, listReferences } = this.#statements;
    const pending = [...digests];
    for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
      if (seen.has(digest)) continue;
      seen.add(digest);
      raiseUse.run(atMs, digest);
      const isBlob = ((getRank.get(digest) as { rank: number } | undefined)?.rank ?? 0) === 0;
      if (!isBlob) for (const row of listReferences.all(digest)) pending.push(row['target'] as Digest);
      yield;
    }
  }

  /** Ranks content, and all that references it, before what it references. */
  #lower(digest: Digest, to: number): void {
    const rank = Math.max(to, lowestRank);
    if (this.#statements.lowerRank.run(rank, digest).changes === 0 || rank === lowestRank) return;
    for (const { source } of this.#statements.listSources.all(digest) as { source: Digest }[]) {
      this.#lower(source, rank - 1);
    }
  }

  #complete(rows: unknown[]): ContentEntry[] {
    const contents = rows as ContentRow[];
    const wanted = JSON.stringify(contents.map(({ digest }) => digest));
    const { listReferrers } = this.#statements;
    const referrers = Map.groupBy(
      listReferrers.all(wanted) as { target: Digest; source: Digest }[],
      ({ target }) => target,
    );
    const pinned = this.#pinnedOf(contents);
    return contents.map((row) => ({
      digest: row.digest,
      sizeBytes: row.size_bytes,
      storedAtMs: row.stored_at_ms,
      usedAtMs: row.used_at_ms,
      hits: row.hits,
      isManifest: row.rank < 0,
      level: row.rank === 0 ? 0 : -row.rank,
      referencedBy: (referrers.get(row.digest) ?? []).map(({ source }) => source),
      pinned: pinned.has(row.digest),
      hosted: row.hosted === 1,
    }));
  }

  #pinnedOf(contents: readonly ContentRow[]): ReadonlySet<unknown> {
    const { anyPin, isPinned, listPinned } = this.#statements;
    if (anyPin.get() === undefined) return new Set();
    if (contents.length > 1) return new Set(listPinned.all().map((row) => row['digest']));
    return new Set(contents.map(({ digest }) => digest).filter((digest) => isPinned.get(digest)));
  }
}

interface ContentRow {
  readonly digest: Digest;
  readonly size_bytes: number;
  readonly stored_at_ms: number;
  readonly used_at_ms: number;
  readonly hits: number;
  readonly rank: number;
  readonly hosted: number;
}
