import { setImmediate } from 'node:timers/promises';
import type { ContentEntry, MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Clock } from '../../util/time/clock.ts';
import { mayGo, type PlanLimits } from './plan.ts';

/** How many contents are looked at in one step: it holds up a request by a millisecond or so. */
const stepCount = 50;

/**
 * Whether so many bytes could go, if everything went that may; nothing does. In most cases a few of the oldest are
 * enough to know.
 * @throws what the index failed with, or the signal's reason
 */
export async function couldGo(
  neededBytes: number,
  index: Pick<MetadataIndex, 'listLeastRecentlyUsed'>,
  limits: Pick<PlanLimits, 'graceMs' | 'isKept'>,
  clock: Pick<Clock, 'now'>,
  signal: AbortSignal,
): Promise<boolean> {
  // Only a manifest keeps anything, so no other content need be remembered as gone.
  const gone = new Set<Digest>();
  for (;;) {
    const { size } = gone;
    let bytes = 0;
    let after: ContentEntry | undefined;
    do {
      signal.throwIfAborted();
      const entries = await index.listLeastRecentlyUsed({ count: stepCount, after });
      for (const entry of entries) {
        if (!mayGo(entry, limits, clock.now(), (digest) => gone.has(digest))) continue;
        bytes += entry.sizeBytes;
        if (entry.isManifest) gone.add(entry.digest);
      }
      if (bytes >= neededBytes) return true;
      after = entries.length === stepCount ? entries.at(-1) : undefined;
      await setImmediate();
    } while (after);
    // What went later may have been all that kept something which had its turn before.
    if (gone.size === size) return false;
  }
}
