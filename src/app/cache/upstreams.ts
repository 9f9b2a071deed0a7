import type { Config, UpstreamConfig } from '../../config/config.ts';
import type { RoutedRegistry } from '../../server/routing/routing.ts';
import { UpstreamRegistry } from '../../upstream/client.ts';
import { openCredentials } from '../../upstream/credentials/open-credentials.ts';
import { type HealthObserver, UpstreamHealth } from '../../upstream/health/upstream-health.ts';
import { ByteRate } from '../../upstream/limits/byte-rate.ts';
import { RequestLimit } from '../../upstream/limits/request-limit.ts';
import type { UpstreamObserver } from '../../upstream/observer.ts';
import { proxyFromEnvironment } from '../../upstream/transport/proxy-env.ts';
import { Transport } from '../../upstream/transport/transport.ts';
import type { UpstreamStatus } from '../../util/status.ts';
import type { AppOptions, Basics } from '../app-options.ts';
import type { Lifetime } from '../lifetime.ts';
import type { SharedCache } from './cache.ts';
import {
  type AskedUpstream,
  type CachedUpstream,
  cacheUpstream,
  offlineUpstream,
  openProofs,
} from './cached-upstream.ts';

/** The caches in front of all upstreams. */
export interface Upstreams {
  readonly registries: readonly RoutedRegistry[];
  /** How it is with each. */
  status(): UpstreamStatus[];
}

/** What all upstreams share. */
interface Shared extends Basics {
  readonly transport: Transport;
  readonly observer: UpstreamObserver;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts what is being fetched for credentials. */
  readonly stopping: AbortSignal;
}

/** An upstream that is open. */
interface OpenUpstream extends CachedUpstream {
  readonly health: UpstreamHealth;
  readonly requestLimit: RequestLimit | undefined;
  readonly routed: RoutedRegistry;
}

/** Opens every upstream, with its cache in front. */
export async function openUpstreams(
  config: Config,
  options: AppOptions,
  tools: Basics & { readonly cache: SharedCache },
  lifetime: Lifetime,
): Promise<Upstreams> {
  const { env = process.env, limits } = options;
  const transport = new Transport({ ...(limits ? { limits } : {}), proxyFor: proxyFromEnvironment(env) });
  const stopping = new AbortController();
  lifetime.push(() => stopping.abort());
  const shared = { ...tools, transport, observer: observeRequests(tools), env, stopping: stopping.signal };
  const proofs = openProofs(config, tools);
  const opened: OpenUpstream[] = [];
  lifetime.push(async () => void (await Promise.all(opened.map(({ settled }) => settled()))));
  lifetime.push(() => transport.close());
  for (const upstream of config.upstreams) {
    const health = watchHealth(upstream, options, tools);
    const requestLimit = limitRequests(upstream, tools);
    const { name, alias, names, dockerHub } = upstream;
    const asked: AskedUpstream = config.offline
      ? offlineUpstream(name)
      : openUpstream(upstream, options, { ...shared, health, requestLimit });
    const cached = await cacheUpstream(config, upstream, { asked, allowance: health }, { ...tools, proofs });
    const { registry, guard } = cached;
    opened.push({ ...cached, health, requestLimit, routed: { name, alias, names, dockerHub, registry, guard } });
  }
  return {
    registries: opened.map(({ routed }) => routed),
    status: () => opened.map(({ health, requestLimit }) => withRequests(health.status, requestLimit)),
  };
}

function openUpstream(
  upstream: UpstreamConfig,
  { retry = {} }: AppOptions,
  tools: Shared & { readonly health: UpstreamHealth; readonly requestLimit: RequestLimit | undefined },
): UpstreamRegistry {
  const { name, urls, ownUrls, ca, cert, key, insecure, tokenHosts, maxBytesPerSecond } = upstream;
  const { transport, clock, log, observer, health, requestLimit, env, stopping, version } = tools;
  return new UpstreamRegistry({
    ...{ name, urls, ownUrls, tokenHosts, transport, clock, observer, health, requestLimit, retry },
    userAgent: `Entrepot/${version}`,
    credentials: openCredentials(
      { ...upstream, password: upstream.password?.reveal() },
      { clock, log, env, stopping, upstream: name },
    ),
    identity: { ca, cert, key: key?.reveal(), insecure },
    byteRate: maxBytesPerSecond === undefined ? undefined : new ByteRate(maxBytesPerSecond, clock),
  });
}

function limitRequests({ name, maxConcurrent }: UpstreamConfig, { clock }: Basics): RequestLimit | undefined {
  return maxConcurrent === undefined ? undefined : new RequestLimit({ upstream: name, maxConcurrent, clock });
}

function withRequests(status: UpstreamStatus, limit: RequestLimit | undefined): UpstreamStatus {
  return limit === undefined ? status : { ...status, requests: { waiting: limit.waiting } };
}

function watchHealth(
  { name, rateLimitReserve }: UpstreamConfig,
  { circuit = {} }: AppOptions,
  { clock, log, metrics }: Basics,
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

function observeRequests({ metrics, log }: Basics): UpstreamObserver {
  return {
    fetched: (upstream, bytes) => metrics.fetchedBytes.inc({ upstream }, bytes),
    answered({ upstream, operation, method, result, durationMs }) {
      metrics.upstreamRequests.inc({ upstream, operation, method, result });
      metrics.upstreamSeconds.observe({ upstream, operation }, durationMs / 1000);
      log.debug({ upstream, operation, method, result, ms: Math.round(durationMs) }, 'upstream answered');
    },
  };
}
