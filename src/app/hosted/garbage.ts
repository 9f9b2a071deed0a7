import type { SpaceKeeper } from '../../cache/space/space-keeper.ts';
import type { Config } from '../../config/config.ts';
import { GarbageCollector } from '../../hosted/garbage/garbage-collector.ts';
import type { SharedLocks } from '../../util/locks/shared-locks.ts';
import type { Basics } from '../app-options.ts';
import type { Disk } from '../cache/disk.ts';
import type { Lifetime } from '../lifetime.ts';

/** What garbage is collected with. */
export interface GarbageParts extends Basics, Pick<Disk, 'index' | 'records'> {
  readonly locks: SharedLocks;
  readonly space: Pick<SpaceKeeper, 'removeUnused' | 'refilled'>;
}

/** Makes what collects the garbage of the hosted repositories; it is not yet started. */
export function openGarbageCollector(
  { hosted }: Config,
  { index, records, locks, space, clock, log, metrics }: GarbageParts,
  lifetime: Lifetime,
): GarbageCollector {
  const collector = new GarbageCollector(hosted.garbage, {
    ...{ index, records, locks, clock, log },
    remove: (digests) => space.removeUnused(digests),
    collected({ manifests, blobs, contents, sizeBytes }) {
      metrics.garbageContents.inc(contents);
      metrics.garbageBytes.inc(sizeBytes);
      metrics.lastGarbage.set(clock.now() / 1000);
      // What was let go and is cached, too, counts for the size of the cache from now on.
      if (manifests + blobs > 0) space.refilled();
    },
  });
  lifetime.push(() => collector.stop());
  return collector;
}
