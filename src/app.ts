import { listCatalog } from './cache/catalog.ts';
import { BufferPool } from './cache/content/buffers.ts';
import { ContentMemory } from './cache/content/content-memory.ts';
import { Damages } from './cache/content/damages.ts';
import { ContentInUse } from './cache/content/in-use.ts';
import { LocalContent } from './cache/content/local-content.ts';
import { DiskHealth } from './cache/disk/disk-health.ts';
import { watchIndexHealth } from './cache/disk/watched-index.ts';
import { watchStore } from './cache/disk/watched-store.ts';
import { DownloadQueue } from './cache/download/download-queue.ts';
import { type DownloadPolicy, defaultDownloadPolicy } from './cache/download/download-tools.ts';
import { Downloads } from './cache/download/downloads.ts';
import { Hasher } from './cache/download/hasher.ts';
import { offlinePolicies } from './cache/freshness.ts';
import { rememberIndex } from './cache/index-memory.ts';
import { watchIndex } from './cache/index-watch.ts';
import { rememberNegativeAnswers } from './cache/negative-answers.ts';
import { offlineRegistry } from './cache/offline.ts';
import { PullThrough } from './cache/pull-through.ts';
import { Scrubber } from './cache/scrub/scrubber.ts';
import { SpaceKeeper, type SpaceObserver, type SpaceTools } from './cache/space/space-keeper.ts';
import type { CacheTools } from './cache/tools.ts';
import { readUnreadManifests } from './cache/unread-manifests.ts';
import { UseRecorder } from './cache/uses.ts';
import type { Config, ListenAddress, UpstreamConfig } from './config/config.ts';
import type { Digest } from './oci/digest.ts';
import type { Registry } from './oci/registry.ts';
import { createAdmin } from './server/admin.ts';
import { createListener, openDoor } from './server/door.ts';
import { RegistryHandler } from './server/registry-handler.ts';
import { reportStatus } from './server/report-status.ts';
import { Router } from './server/routing.ts';
import { openServerStorage } from './storage.ts';
import { freeBytesOf } from './store/free-space.ts';
import { UpstreamRegistry } from './upstream/client.ts';
import type { CredentialTools } from './upstream/credentials/credential-tools.ts';
import { openCredentials } from './upstream/credentials/open-credentials.ts';
import type { CircuitPolicy } from './upstream/health/circuit.ts';
import { type HealthObserver, UpstreamHealth } from './upstream/health/upstream-health.ts';
import { ByteRate } from './upstream/limits/byte-rate.ts';
import { RequestLimit } from './upstream/limits/request-limit.ts';
import type { UpstreamObserver } from './upstream/observer.ts';
import type { RetryPolicy } from './upstream/retry.ts';
import type { TransportLimits } from './upstream/transport/connection.ts';
import { proxyFromEnvironment } from './upstream/transport/proxy-env.ts';
import { Transport } from './upstream/transport/transport.ts';
import { type Clock, systemClock } from './util/clock.ts';
import { describeDiskTrouble } from './util/disk-trouble.ts';
import type { Log } from './util/log.ts';
import { createMetrics, type Metrics } from './util/metrics.ts';
import { openPinoLog } from './util/pino-log.ts';
import type { UpstreamStatus } from './util/status.ts';
import { packageVersion } from './util/version.ts';

/** What a test may put in the place of the machine's own. */
export interface AppOptions {
  readonly clock?: Clock;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly log?: Log;
  readonly limits?: Partial<TransportLimits>;
  readonly retry?: Partial<RetryPolicy>;
  readonly download?: Partial<DownloadPolicy>;
  readonly circuit?: Partial<CircuitPolicy>;
  /** How much of the file system of the data folder is free. */
  freeBytes?(): Promise<number>;
}

// Of the cache's size: enough for the largest layers, and little when many downloads were cut off.
const maxPartialPart = 0.25;

/** A cache that is serving. */
export interface App {
  readonly addresses: { readonly registry: ListenAddress };
  /** Takes no more requests, lets answers end (for as long as the configuration says), and lets go of everything. */
  stop(): Promise<void>;
}

/** Things that were started, to be stopped in the reverse order, also when a later one could not be started. */
type Stack = (() => Promise<void> | void)[];

/**
 * Starts a cache: the only place where the parts are put together.
 * @throws what keeps it from starting: the data folder, the index, or the address
 */
export async function startApp(config: Config, options: AppOptions = {}): Promise<App> {
  const stack: Stack = [];
  try {
    return await start(config, options, stack);
  } catch (error) {
    await unwind(stack);
    throw error;
  }
}

async function start(config: Config, options: AppOptions, stack: Stack): Promise<App> {
  const { clock = systemClock } = options;
  const { log, flush } = options.log ? { log: options.log, flush: () => {} } : openPinoLog(config.log);
  stack.push(flush);
  const transport = new Transport({
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    proxyFor: proxyFromEnvironment(options.env ?? process.env),
  });
  const version = packageVersion();
  const healths: UpstreamHealth[] = [];
  const requestLimits = new Map<string, RequestLimit>();
  const sources = {
    downloadsInFlight: () => tools.downloads.count,
    downloadsWaiting: () => tools.downloads.waiting,
    disk: () => disk,
    partials: () => tools.store.partials(),
    store: () => tools.index.totals(),
    upstreams: () => healths.map(({ status }) => withRequests(status, requestLimits.get(status.name))),
    integrity: () => ({ scrubbedBytes: scrubber.scrubbedBytes, damagedContents: tools.damages.count }),
  };
  const disk = new DiskHealth(log, clock);
  const metrics = createMetrics(sources);
  const status = reportStatus({ ...sources, version, maxBytes: config.cache.maxBytes, clock });
  const tools = await openCache(config, options, { clock, log, metrics, disk }, stack);
  const removed = (digest: Digest) => tools.space.removed(digest);
  const refilled = () => tools.space.refilled();
  const scrubber = new Scrubber({ ...tools, removed, refilled, random: Math.random }, config.cache.scrubRateBytes);
  stack.push(() => scrubber.stop());
  const observer = observeUpstreams(metrics, log);
  const stopping = new AbortController();
  stack.push(() => stopping.abort());
  const registries = config.upstreams.map((upstream) => {
    const { retry = {}, env = process.env } = options;
    const health = watchHealth(upstream, options, { clock, log, metrics });
    healths.push(health);
    const { name, alias, names, dockerHub } = upstream;
    const requestLimit = limitRequests(upstream, clock);
    if (requestLimit) requestLimits.set(upstream.name, requestLimit);
    const open = (): Registry =>
      openUpstream(
        upstream,
        { transport, clock, observer, health, requestLimit, retry, userAgent: `Entrepot/${version}` },
        { clock, log, env, stopping: stopping.signal },
      );
    const ttlMs = config.cache.negativeTtlMs;
    const asked = config.offline ? offlineRegistry(name) : rememberNegativeAnswers(open(), { ttlMs, clock });
    const freshness = config.offline ? offlinePolicies : upstream.freshness;
    return { name, alias, names, dockerHub, registry: new PullThrough(name, asked, freshness, tools, health) };
  });
  // What is left after the last request ends first, then what it writes to: nothing writes to what is closed.
  stack.push(async () => void (await Promise.all(registries.map(({ registry }) => registry.settled()))));
  stack.push(() => transport.close());
  stack.push(() => tools.downloads.close());
  const door = config.doors.registry;
  const router = new Router(registries, config.domain, door.default);
  const aliases = new Map(registries.map(({ name, alias }) => [name === door.default ? '' : alias, name]));
  const listener = createListener({
    registry: new RegistryHandler({ router, log, catalog: (page) => listCatalog(tools.index, aliases, page) }),
    admin: createAdmin({ metrics, version, status, ready: () => readiness(tools, disk) }),
    log,
    metrics,
  });
  const open = await openDoor(door.listen, listener);
  stack.push(() => open.close(config.shutdown.graceMs));
  log.info({ host: open.host, port: open.port, version }, 'registry door open');
  scrubber.start();
  return { addresses: { registry: { host: open.host, port: open.port } }, stop: () => unwind(stack) };
}

/**
 * What is in trouble. A disk that fails is no reason to get no requests: upstream serves them; but offline there is
 * nobody else to ask.
 */
async function readiness({ index, offline }: CacheTools, disk: DiskHealth): Promise<readonly string[]> {
  try {
    await index.totals();
  } catch (error) {
    if (offline) throw error;
  }
  return disk.troubles.map(describeDiskTrouble);
}

/** Opens what the caches of all upstreams share. */
async function openCache(
  config: Config,
  options: AppOptions,
  { clock, log, metrics, disk }: { clock: Clock; log: Log; metrics: Metrics; disk: DiskHealth },
  stack: Stack,
): Promise<CacheTools & { readonly space: SpaceKeeper }> {
  const storage = await openServerStorage(config.data, {
    clock,
    maxPartialBytes: config.cache.maxBytes * maxPartialPart,
    onBroken: (path, error) => log.error({ path, reason: String(error) }, 'index damaged, moved aside and begun anew'),
  });
  stack.push(() => storage.close());
  const store = watchStore(storage.store, disk);
  const index = rememberIndex(watchIndexHealth(storage.index, disk));
  const uses = new UseRecorder(index, clock, (error) => log.debug({ reason: error.message }, 'uses cannot be stored'));
  stack.push(() => uses.flush());
  const hasher = new Hasher();
  stack.push(() => hasher.close());
  const buffers = new BufferPool();
  const policy = { ...defaultDownloadPolicy, ...options.download };
  const inUse = new ContentInUse();
  const memory = new ContentMemory();
  const space = openSpace(config, options, { store, index, memory, uses, inUse, clock, log }, metrics);
  stack.push(() => space.close());
  const queue = new DownloadQueue(config.cache.maxDownloads, clock);
  const toDownload = { store, hasher, buffers, space, queue, clock, random: Math.random, policy };
  const downloads = new Downloads(toDownload, inUse);
  const damages = new Damages({ store, index, memory, log });
  const local = new LocalContent({ store, index, memory, buffers, space, inUse, clock, damages });
  const { offline } = config;
  tendIndex({ index, memory, local, log }, stack);
  return { store, index, memory, local, damages, hasher, downloads, buffers, uses, space, offline, clock, log };
}

/** Sees what other processes change, and completes what an older version noted; neither is waited for. */
function tendIndex(
  { index, memory, local, log }: Pick<CacheTools, 'index' | 'memory' | 'local' | 'log'>,
  stack: Stack,
) {
  stack.push(watchIndex(index, () => memory.clear()));
  const stop = new AbortController();
  const reading = readUnreadManifests(index, local, stop.signal).catch((error: Error) =>
    log.error({ reason: error.message }, 'references cannot be stored'),
  );
  stack.push(async () => {
    stop.abort();
    await reading;
  });
}

/** Begins to keep the cache within its size. */
function openSpace(
  { cache, data }: Config,
  { freeBytes = () => freeBytesOf(data) }: AppOptions,
  tools: Omit<SpaceTools, 'observer' | 'freeBytes'>,
  metrics: Metrics,
): SpaceKeeper {
  metrics.storeLimit.set(cache.maxBytes);
  const observer: SpaceObserver = {
    removed(reason, contents, sizeBytes) {
      metrics.evictedContents.inc({ reason }, contents);
      metrics.evictedBytes.inc({ reason }, sizeBytes);
    },
    notKept: () => metrics.notKept.inc(),
    ran: () => metrics.lastEviction.set(tools.clock.now() / 1000),
  };
  const space = new SpaceKeeper(cache, { ...tools, observer, freeBytes });
  space.start();
  return space;
}

interface UpstreamTools {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly observer: UpstreamObserver;
  readonly health: UpstreamHealth;
  readonly requestLimit: RequestLimit | undefined;
  readonly retry: Partial<RetryPolicy>;
  readonly userAgent: string;
}

function openUpstream(
  upstream: UpstreamConfig,
  tools: UpstreamTools,
  credentialTools: Omit<CredentialTools, 'upstream'>,
): UpstreamRegistry {
  const { name, urls, ca, cert, key, insecure, tokenHosts, maxBytesPerSecond } = upstream;
  return new UpstreamRegistry({
    name,
    urls,
    tokenHosts,
    credentials: openCredentials(
      { ...upstream, password: upstream.password?.reveal() },
      { ...credentialTools, upstream: name },
    ),
    identity: { ca, cert, key: key?.reveal(), insecure },
    byteRate: maxBytesPerSecond === undefined ? undefined : new ByteRate(maxBytesPerSecond, tools.clock),
    ...tools,
  });
}

function limitRequests({ name, maxConcurrent }: UpstreamConfig, clock: Clock): RequestLimit | undefined {
  return maxConcurrent === undefined ? undefined : new RequestLimit({ upstream: name, maxConcurrent, clock });
}

function withRequests(status: UpstreamStatus, limit: RequestLimit | undefined): UpstreamStatus {
  return limit === undefined ? status : { ...status, requests: { waiting: limit.waiting } };
}

function watchHealth(
  { name, rateLimitReserve }: UpstreamConfig,
  { circuit = {} }: AppOptions,
  { clock, log, metrics }: { clock: Clock; log: Log; metrics: Metrics },
): UpstreamHealth {
  const observer: HealthObserver = {
    opened(upstream, reason, untilMs) {
      metrics.circuitOpenings.inc({ upstream });
      log.warn({ upstream, reason, until: new Date(untilMs).toISOString() }, 'upstream left alone');
    },
    closed: (upstream, openedForMs) => log.info({ upstream, ms: openedForMs }, 'upstream well again'),
  };
  return new UpstreamHealth({ name, clock, random: Math.random, reserve: rateLimitReserve, circuit, observer });
}

function observeUpstreams(metrics: Metrics, log: Log): UpstreamObserver {
  return {
    fetched: (upstream, bytes) => metrics.fetchedBytes.inc({ upstream }, bytes),
    answered({ upstream, operation, method, result, durationMs }) {
      metrics.upstreamRequests.inc({ upstream, operation, method, result });
      metrics.upstreamSeconds.observe({ upstream, operation }, durationMs / 1000);
      log.debug({ upstream, operation, method, result, ms: Math.round(durationMs) }, 'upstream answered');
    },
  };
}

async function unwind(stack: Stack): Promise<void> {
  for (let stop = stack.pop(); stop; stop = stack.pop()) await stop();
}
