import { setImmediate } from 'node:timers/promises';
import type { HeldLink, HostedIndex, HostedPage, LetGo } from '../../index/hosted-index.ts';
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
    'listHeld' | 'listHolders' | 'listLetGo' | 'removeManifest' | 'removeBlob' | 'sync'
  > &
    Pick<MetadataIndex, 'getContent' | 'getLink' | 'getTag' | 'referencesOf'>;
  readonly records: RecordStore;
  readonly locks: SharedLocks;
  /** Removes contents as making room does, rows first and then files, but for what is hosted or in use; gives what went. */
  remove(digests: readonly Digest[]): Promise<readonly Digest[]>;
}

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
): Promise<CollectedGarbage> {
  const tally = new GarbageTally();
  for await (const links of repositoriesOf(tools.index, signal)) {
    const garbage = findGarbage(links, request);
    tally.wait(garbage, findGarbage(links, { ...request, beforeMs: Number.POSITIVE_INFINITY }));
    if (request.dryRun) tally.note(garbage);
    else await removeLinks(tools, garbage, request, tally, signal);
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

async function removeLinks(
  tools: GarbageTools,
  { manifests, blobs }: Garbage,
  { beforeMs }: GarbageRules,
  tally: GarbageTally,
  signal: AbortSignal,
): Promise<void> {
  for (const { repository, digest } of manifests) {
    if (await removeManifest(tools, repository, digest, beforeMs, signal)) tally.manifests++;
  }
  for (const [count, { repository, digest }] of blobs.entries()) {
    if (count % batchCount === 0) await setImmediate(undefined, { signal });
    if ((await tools.index.removeBlob(repository, digest, beforeMs)) === 'removed') tally.blobs++;
  }
}

/**
 * Its record goes first, so that it does not come back with a new index; and is there again when the manifest stays, as
 * somebody began to push it again meanwhile.
 */
async function removeManifest(
  tools: GarbageTools,
  repository: Repository,
  digest: Digest,
  beforeMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  return tools.locks.run(lockOfRepository(repository), signal, async () => {
    try {
      await tools.records.removeRecord(manifestRecordName(repository, digest));
      return (await tools.index.removeManifest(repository, digest, beforeMs)) !== undefined;
    } finally {
      await settleManifest(tools, repository, digest);
    }
  });
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
