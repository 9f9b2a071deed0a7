import type { AppOptions, Basics } from './app/app-options.ts';
import { openCache, type SharedCache } from './app/cache/cache.ts';
import { type Disk, openDisk } from './app/cache/disk.ts';
import { openUpstreams, type Upstreams } from './app/cache/upstreams.ts';
import { openHosted } from './app/hosted/hosted.ts';
import { endLifetime, type Lifetime, openWithin } from './app/lifetime.ts';
import { metricSources } from './app/metric-sources.ts';
import { DiskHealth } from './cache/disk/disk-health.ts';
import type { Config } from './config/config.ts';
import { isRebuilt } from './hosted/records/rebuild.ts';
import type { PushableRegistry } from './oci/registry.ts';
import { SharedLocks } from './util/locks/shared-locks.ts';
import { silentLog } from './util/log/log.ts';
import { createMetrics } from './util/metrics/create-metrics.ts';
import { systemClock } from './util/time/clock.ts';
import { packageVersion } from './util/version.ts';

/** The caches of a data folder in this process, with no door: for tools. A server may be running beside. */
export interface LocalCache {
  readonly disk: Disk;
  readonly cache: SharedCache;
  readonly upstreams: Upstreams['registries'];
  readonly hosted: PushableRegistry;
  /** Ends what is under way, and lets go of everything. */
  close(): Promise<void>;
}

/**
 * Opens the data folder of a configuration, which is made when it is missing, and the caches of its upstreams.
 * @throws NOT_REBUILT while the index does not have what was pushed: then nothing tells what must stay
 */
export function openLocalCache(config: Config, options: AppOptions = {}): Promise<LocalCache> {
  return openWithin((lifetime) => open(config, options, lifetime));
}

async function open(config: Config, options: AppOptions, lifetime: Lifetime): Promise<LocalCache> {
  const { clock = systemClock, log = silentLog } = options;
  const health = new DiskHealth(log, clock);
  // Nobody looks at its metrics, which its parts count all the same.
  const metrics = createMetrics(metricSources(health, () => ({ cache, disk, hosted, upstreams })));
  const basics: Basics = { clock, log, metrics, version: packageVersion() };
  const disk = await openDisk(config, { ...basics, health }, lifetime);
  if (!(await isRebuilt(disk))) throw notRebuilt();
  await disk.index.markRebuilt(); // there is nothing to rebuild it from, and may be after this
  const cache = openCache(config, options, { ...basics, ...disk }, lifetime);
  // The locks are this process's own: a server beside sees to it that records follow the index.
  const hosted = openHosted(config, options, { ...basics, cache, disk, locks: new SharedLocks() }, lifetime);
  const upstreams = await openUpstreams(config, options, { ...basics, cache }, lifetime);
  lifetime.push(() => cache.downloads.close());
  return { disk, cache, upstreams: upstreams.registries, hosted, close: () => endLifetime(lifetime) };
}

function notRebuilt(): Error {
  const message =
    'Cannot keep anything: the index was begun anew, and does not have yet what was pushed here; start the server once, ' +
    'or run `entrepot verify --rebuild`';
  return Object.assign(new Error(message), { code: 'NOT_REBUILT' });
}
