import type { Config } from '../../config/config.ts';
import { HostedRegistry } from '../../hosted/hosted-registry.ts';
import type { HostedObserver } from '../../hosted/tools.ts';
import { freeBytesOf } from '../../store/folders/free-space.ts';
import type { SharedLocks } from '../../util/locks/shared-locks.ts';
import type { Metrics } from '../../util/metrics/metrics.ts';
import type { AppOptions, Basics } from '../app-options.ts';
import type { SharedCache } from '../cache/cache.ts';
import type { Disk } from '../cache/disk.ts';
import type { Lifetime } from '../lifetime.ts';

/** What the registry that is pushed to shares with the caches. */
export interface BesideHosted {
  readonly cache: SharedCache;
  readonly disk: Disk;
  readonly locks: SharedLocks;
}

/** Opens the registry that is pushed to. */
export function openHosted(
  { data, cache, hosted }: Config,
  { freeBytes = () => freeBytesOf(data) }: AppOptions,
  { clock, log, metrics, cache: shared, disk, locks }: Basics & BesideHosted,
  lifetime: Lifetime,
): HostedRegistry {
  const { local: content, hasher, inUse, space, uses } = shared;
  const { store: blobs, uploads, records, index } = disk;
  const registry = new HostedRegistry(
    {
      ...{ blobs, uploads, records, index, content, hasher, inUse, locks, clock, log, freeBytes },
      observer: observePushes(metrics, uses),
      removed: (digest) => space.removed(digest),
      freeDisk: (sizeBytes, signal) => space.freeDisk(sizeBytes, signal),
    },
    { ...hosted, minFreeBytes: cache.minFreeBytes },
  );
  registry.start();
  lifetime.push(() => registry.close());
  return registry;
}

function observePushes({ pushedBytes, refusedPushes }: Metrics, uses: SharedCache['uses']): HostedObserver {
  return {
    pulled: (digest) => uses.record(digest),
    received: (sizeBytes) => pushedBytes.inc(sizeBytes),
    refused: (reason) => refusedPushes.inc({ reason }),
  };
}
