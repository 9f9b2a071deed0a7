import { setImmediate } from 'node:timers/promises';
import type { HeldLink, HostedIndex, HostedPage, LetGo, RemovedManifest } from '../../index/hosted-index.ts';
import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { RecordStore } from '../../store/record-store.ts';
import type { SharedLocks } from '../../util/locks/shared-locks.ts';
import { lockOfRepository } from '../hosted-locks.ts';
import { manifestRecordName } from '../records/record.ts';
import { settleManifest } from '../records/settle.ts';
import { findGarbage, type Garbage, type GarbageRules } from './find-garbage.ts';
import { GarbageTally } from './garbage-tally.ts';

const pageCount = 200; // a query of some milliseconds
const batchCount = 20; // contents that are forgotten in one transaction, which is over within milliseconds

/** What garbage is collected from. */
export interface GarbageTools {
  readonly index: Pick<
    HostedIndex,
    'listHeld' | 'listHolders' | 'listLetGo' | 'removeManifest' | 'letGo' | 'removeBlob' | 'sync'
  > &
    Pick<MetadataIndex, 'getContent' | 'getLink' | 'getTag' | 'referencesOf'>;
  readonly records: RecordStore;
  readonly locks: SharedLocks;
  /** Removes contents as making room does, rows first and then files, but for what is hosted or in use; gives what went. */
  remove(digests: readonly Digest[]): Promise<readonly Digest[]>;
}

/** Manifests that went, and whose records could not be removed: the next collection begins with them. */
export type Unsettled = {
  readonly repository: Repository;
  readonly digest: Digest;
  readonly removed: RemovedManifest;
}[];

/** What is to be collected. */
export interface GarbageRequest extends GarbageRules {
  /** Tells what would go, and removes nothing. */
  readonly dryRun: boolean;
}

/** What went, or would go, and what stays only because it is new. */
export interface CollectedGarbage {
  readonly manifests: number;
  readonly blobs: number;
  /** What no repository of any registry has any more: only this frees space. */
  readonly contents: number;
  readonly sizeBytes: number;
  readonly waiting: { readonly manifests: number; readonly blobs: number };
}

/**
 * Collects the garbage of all hosted repositories, while they are pushed to and pulled from. It first finds what nobody
 * needs of a repository, then removes one link after the other, each in a transaction that looks again: what was pushed,
 * tagged, mounted or asked for since then stays. Then the contents go that no repository is linked to any more.
 * @throws what index, records or store failed with, or the signal's reason; what went by then is gone
 */
export async function collectGarbage(
  tools: GarbageTools,
  request: GarbageRequest,
  signal: AbortSignal,
  unsettled: Unsettled = [],
): Promise<CollectedGarbage> {
  const tally = new GarbageTally();
  if (!request.dryRun) await settleRemoved(tools, unsettled);
  for await (const links of repositoriesOf(tools.index, signal)) {
    const found = findGarbage(links, request);
    tally.wait(found, findGarbage(links, { ...request, beforeMs: Number.POSITIVE_INFINITY }));
    const garbage = { ...found, blobs: await withoutRecord(tools.records, found.blobs, signal) };
    if (request.dryRun) tally.note(garbage);
    else await removeLinks({ ...tools, unsettled }, garbage, request, tally, signal);
  }
  if (request.dryRun) await tally.foresee(tools.index, signal);
  await takeLetGo(tools, request, tally, signal);
  return tally.total;
}

/** All that each repository is linked to, one repository at a time. */
async function* repositoriesOf(index: GarbageTools['index'], signal: AbortSignal): AsyncIterable<readonly HeldLink[]> {
  let links: HeldLink[] = [];
  for (let after: HostedPage['after']; ; ) {
    signal.throwIfAborted();
    const { found, next } = await index.listHeld({ count: pageCount, after });
    for (const link of found) {
      if (links[0] !== undefined && links[0].repository !== link.repository) {
        yield links;
        links = [];
      }
      links.push(link);
    }
    if (next === undefined) break;
    after = next;
    await setImmediate(); // requests have their turn
  }
  if (links.length > 0) yield links;
}

/**
 * What looks like a blob and has the record of a manifest was being pushed, or removed, when a process died: the next
 * start ends that, and needs its bytes.
 */
async function withoutRecord(
  records: RecordStore,
  links: readonly HeldLink[],
  signal: AbortSignal,
): Promise<HeldLink[]> {
  const without: HeldLink[] = [];
  for (const link of links) {
    signal.throwIfAborted();
    const record = await records.getRecord(manifestRecordName(link.repository, link.digest));
    if (record === undefined) without.push(link);
  }
  return without;
}

async function removeLinks(
  tools: GarbageTools & { readonly unsettled: Unsettled },
  { manifests, blobs }: Garbage,
  { beforeMs }: GarbageRules,
  tally: GarbageTally,
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < manifests.length; start += batchCount) {
    const batch = manifests.slice(start, start + batchCount);
    tally.manifests += await removeManifests(tools, batch, beforeMs, signal);
  }
  for (const [count, { repository, digest }] of blobs.entries()) {
    if (count % batchCount === 0) await setImmediate(undefined, { signal });
    if ((await tools.index.removeBlob(repository, digest, beforeMs)) === 'removed') tally.blobs++;
  }
}

/**
 * Removes manifests of one repository, and gives how many went. Rows first, for good, and then the records, as those who
 * delete do it: the transaction finds whether somebody began to push one again meanwhile, which then stays as it is.
 */
async function removeManifests(
  tools: GarbageTools & { readonly unsettled: Unsettled },
  links: readonly HeldLink[],
  beforeMs: number,
  signal: AbortSignal,
): Promise<number> {
  const { index, locks, unsettled } = tools;
  const { repository } = links[0]!;
  return locks.run(lockOfRepository(repository), signal, async () => {
    let count = 0;
    try {
      for (const { digest } of links) {
        const removed = await index.removeManifest(repository, digest, { beforeMs, orReferrer: true });
        if (removed === undefined) continue;
        count++;
        unsettled.push({ repository, digest, removed });
      }
    } finally {
      await settleRemoved(tools, unsettled);
    }
    return count;
  });
}

/**
 * Removes the records of what went, and then lets go of that: a record that stays brings it back at the next start, with
 * all that it needs.
 */
async function settleRemoved(tools: GarbageTools, unsettled: Unsettled): Promise<void> {
  if (unsettled.length > 0) await tools.index.sync();
  for (let last = unsettled.at(-1); last; last = unsettled.at(-1)) {
    const { repository, digest, removed } = last;
    await settleManifest(tools, repository, digest);
    await tools.index.letGo(repository, digest, removed);
    unsettled.pop();
  }
}

/**
 * Removes the contents that nobody is linked to any more, whoever let them go: also what was deleted through the door, and
 * what was left when the process died. The links are gone for good before the files: after a crash none may lead to a
 * file that is not there, which a push would take for one that is.
 */
async function takeLetGo(
  { index, remove }: GarbageTools,
  { dryRun }: GarbageRequest,
  tally: GarbageTally,
  signal: AbortSignal,
): Promise<void> {
  if (!dryRun) await index.sync();
  for (let after: LetGo | undefined; ; ) {
    await setImmediate(undefined, { signal });
    const page = await index.listLetGo({ count: batchCount, after });
    const going: Digest[] = [];
    for (const { digest } of page) if ((await index.getContent(digest))?.pinned === false) going.push(digest);
    const gone = new Set(dryRun ? going : await remove(going));
    for (const { digest, sizeBytes } of page) if (gone.has(digest)) tally.free(sizeBytes);
    if (page.length < batchCount) return;
    after = page.at(-1);
  }
}
