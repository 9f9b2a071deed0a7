import type { MetadataIndex } from '../../../index/metadata-index.ts';
import type { Digest } from '../../../oci/digest.ts';
import type { Clock } from '../../../util/time/clock.ts';
import { makeRoom } from '../rooms/room-making.ts';
import { Removal, type RemovalTools } from './removal.ts';

/** What is to go, when somebody asks for it. */
export interface PruneRequest {
  /** What was not pulled for so long; undefined for no such limit. */
  readonly olderThanMs: number | undefined;
  /** Down to so many bytes that are stored; undefined for no such limit. */
  readonly toSizeBytes: number | undefined;
  /** What was stored less than so long ago stays. */
  readonly graceMs: number;
  /** Whether content may go at all. */
  isMeant(digest: Digest): boolean;
  /** Whether it is only told what would go. */
  readonly dryRun: boolean;
}

/** What pruning came to. */
export interface Pruned {
  readonly gone: ReadonlySet<Digest>;
  readonly sizeBytes: number;
  /** Whether all that was asked for could go. */
  readonly isEnough: boolean;
}

/** What is pruned. */
export interface PruneTools extends RemovalTools {
  readonly index: Pick<MetadataIndex, 'totals' | 'listLeastRecentlyUsed'> & RemovalTools['index'];
  readonly clock: Pick<Clock, 'now'>;
}

/**
 * Removes what is asked for by the rules that a running cache keeps to, in the same small steps. A server may be
 * running beside: what it is reading stays readable.
 * @throws what the index failed with, or the signal's reason
 */
export async function prune(request: PruneRequest, tools: PruneTools, signal: AbortSignal): Promise<Pruned> {
  const { olderThanMs, toSizeBytes, graceMs, isMeant, dryRun } = request;
  const { index, clock } = tools;
  const gone = new Set<Digest>();
  const removal = new Removal(tools);
  let toldBytes = 0;
  const goal = {
    diskBytes: 0,
    async excessBytes() {
      if (toSizeBytes === undefined) return 0;
      return (await index.totals()).sizeBytes - toldBytes - toSizeBytes;
    },
    removed(_reason: unknown, _contents: number, sizeBytes: number) {
      if (dryRun) toldBytes += sizeBytes;
    },
    isUrgent: () => dryRun,
    stepped: async () => true,
  };
  const made = await makeRoom(
    {
      index,
      clock,
      removal: {
        async remove(digests) {
          const removed = dryRun ? digests : await removal.remove(digests);
          for (const digest of removed) gone.add(digest);
          return removed;
        },
      },
      uses: { flush: async () => {} }, // a server beside writes its own, within seconds
      inUse: { has: (digest) => gone.has(digest) || !isMeant(digest) },
      limits: { maxAgeMs: olderThanMs, graceMs, hasGone: (digest) => dryRun && gone.has(digest) },
    },
    goal,
    signal,
  );
  return { gone, sizeBytes: made.bytes, isEnough: made.isEnough };
}
