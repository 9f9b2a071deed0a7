import { openAccess } from './app/access.ts';
import type { AppOptions, Basics } from './app/app-options.ts';
import { openCache } from './app/cache/cache.ts';
import { openDisk, readinessOf } from './app/cache/disk.ts';
import { openUpstreams } from './app/cache/upstreams.ts';
import { type Addresses, openDoors } from './app/doors/doors.ts';
import { doorPages } from './app/doors/pages.ts';
import { openProxied } from './app/doors/proxied.ts';
import { openGarbageCollector } from './app/hosted/garbage.ts';
import { openHosted } from './app/hosted/hosted.ts';
import { openHostedRecords } from './app/hosted/hosted-records.ts';
import { endLifetime, type Lifetime, openWithin } from './app/lifetime.ts';
import { metricSources } from './app/metric-sources.ts';
import { startWarming } from './app/warm/warming.ts';
import { DiskHealth } from './cache/disk/disk-health.ts';
import type { Config } from './config/config.ts';
import { createAdmin } from './server/admin/admin.ts';
import { reportStatus } from './server/admin/report-status.ts';
import { createThroughput } from './server/admin/throughput.ts';
import { Probes } from './server/answer/probes.ts';
import { freeBytesOf } from './store/folders/free-space.ts';
import { openPinoLog } from './util/log/pino-log.ts';
import { createMetrics } from './util/metrics/create-metrics.ts';
import { systemClock } from './util/time/clock.ts';
import { packageVersion } from './util/version.ts';
import type { WarmSchedule } from './warm/schedule.ts';

/** A cache that is serving. */
export interface App {
  readonly addresses: Addresses;
  /** Takes no more requests, lets answers end (for as long as the configuration says), and lets go of everything. */
  stop(): Promise<void>;
}

/**
 * Starts a cache: the order in which the parts of src/app/ are opened, and, in reverse, closed.
 * @throws what keeps it from starting: the file of passwords, the data folder, the index, or the address
 */
export function startApp(config: Config, options: AppOptions = {}): Promise<App> {
  return openWithin((lifetime) => start(config, options, lifetime));
}

async function start(config: Config, options: AppOptions, lifetime: Lifetime): Promise<App> {
  const { clock = systemClock } = options;
  const { log, flush } = options.log ? { log: options.log, flush: () => {} } : await openPinoLog(config.log);
  lifetime.push(flush);
  const version = packageVersion();
  const { maxBytes, minFreeBytes } = config.cache;
  const { freeBytes = () => freeBytesOf(config.data) } = options;
  const health = new DiskHealth(log, clock);
  // Nobody can look before the doors are open.
  const sources = metricSources(health, () => ({ cache, disk, hosted, upstreams }));
  const metrics = createMetrics(sources);
  const basics: Basics = { clock, log, metrics, version };
  const access = await openAccess(config, basics, lifetime);
  const disk = await openDisk(config, { ...basics, health }, lifetime);
  const locks = await openHostedRecords(disk, basics, lifetime);
  const cache = openCache(config, options, { ...basics, ...disk }, lifetime);
  const hosted = openHosted(config, options, { ...basics, cache, disk, locks }, lifetime);
  const { space } = cache;
  const garbage = openGarbageCollector(config, { ...basics, ...disk, locks, space }, lifetime);
  // What is left after the last request ends first, then what it writes to: nothing writes to what is closed.
  const upstreams = await openUpstreams(config, options, { ...basics, cache }, lifetime);
  lifetime.push(() => cache.downloads.close());
  let warming: WarmSchedule | undefined;
  const warm = () => warming?.status() ?? [];
  const status = reportStatus({ ...sources, warm, version, maxBytes, minFreeBytes, freeBytes, clock });
  const proxied = await openProxied(config, upstreams.registries, basics, lifetime);
  const ready = () => readinessOf(disk, config.offline);
  let open: Addresses | undefined;
  const probes = new Probes(clock);
  const page = doorPages(probes, { config, proxied, access, addresses: () => open });
  const throughput = config.throughput.maxBytes === 0 ? undefined : createThroughput(config.throughput);
  const admin = createAdmin({ metrics, version, status, ready, page, throughput });
  const behind = { registries: upstreams.registries, proxied, hosted, index: disk.index, admin, access, probes };
  open = await openDoors(config, { ...basics, ...behind }, lifetime);
  cache.scrubber.start();
  garbage.start();
  // Last, so that it ends first: nobody waits for it.
  warming = startWarming(config, { ...basics, cache, registries: upstreams.registries }, lifetime);
  return { addresses: open, stop: () => endLifetime(lifetime) };
}
