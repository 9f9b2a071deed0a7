import type { AppOptions } from '../../../src/app/app-options.ts';
import { type App, startApp } from '../../../src/app.ts';
import type { CacheConfig, Config, HostedConfig, TlsConfig, UpstreamConfig } from '../../../src/config/config.ts';
import type { Log } from '../../../src/util/log/log.ts';

/** One event of the log. */
export interface LoggedEvent {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** What a test cache is started with: what is left out is as in the configuration's defaults. */
export interface TestCacheOptions extends AppOptions {
  /** The folder of its data, which it finds there when it is started again. */
  readonly data: string;
  /** Upstreams, the first being the default; a URL stands for an upstream of the name `origin.test`. */
  readonly upstreams: readonly (
    | string
    | (Partial<UpstreamConfig> & { readonly name: string; readonly urls: readonly URL[] })
  )[];
  readonly domain?: string;
  /** The default upstream's name; null for none. */
  readonly default?: string | null;
  /** How long the tags of all upstreams are believed. */
  readonly freshness?: Partial<UpstreamConfig['freshness']>;
  readonly tagTtlMs?: number;
  readonly negativeTtlMs?: number;
  readonly offline?: boolean;
  /** The images that are kept fresh; none, unless given. */
  readonly warm?: Config['warm'];
  /** Who has a password; nobody, unless given. */
  readonly auth?: Config['auth'];
  /** Of `cache` in the configuration: without any, there is no limit but a size that no test reaches. */
  readonly space?: Partial<CacheConfig>;
  readonly hostedDoor?: Partial<Config['doors']['hosted']>;
  /** Of `proxy` in the configuration; without it there is no proxy door. */
  readonly proxy?: Partial<Config['proxy']>;
  /** Of `hosted` in the configuration. */
  readonly hosted?: Partial<HostedConfig>;
  /** Of `guard` in the configuration. */
  readonly guard?: Partial<Config['guard']>;
  /** Of `throughput` in the configuration. */
  readonly throughput?: Partial<Config['throughput']>;
  readonly graceMs?: number;
  /** TLS at the registry door. */
  readonly tls?: TlsConfig;
}

/** The whole of Entrepot, in this process, on a free port of loopback. */
export interface TestCache {
  readonly url: string;
  readonly port: number;
  /** Where it is pushed to. */
  readonly hostedUrl: string;
  readonly hostedPort: number;
  /** Where the proxy door is; 0 without one. */
  readonly proxyPort: number;
  /** Every event of its log so far. */
  readonly events: readonly LoggedEvent[];
  /** Resolves with the first event of this name, come or to come. */
  event(name: string): Promise<LoggedEvent>;
  stop(): Promise<void>;
}

/** Starts a cache. No proxy of the environment is used, so that what leaves it is what the test sees. */
export async function startTestCache(options: TestCacheOptions): Promise<TestCache> {
  const events: LoggedEvent[] = [];
  const waiters: { name: string; resolve(event: LoggedEvent): void }[] = [];
  const write = (level: LoggedEvent['level']) => (facts: LoggedEvent['facts'], event: string) => {
    const logged = { level, event, facts };
    events.push(logged);
    for (const waiter of waiters) if (waiter.name === event) waiter.resolve(logged);
  };
  const log: Log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const app: App = await startApp(configOf(options), { env: {}, log, ...options });
  const { port } = app.addresses.registry;
  const hostedPort = app.addresses.hosted?.port ?? 0;
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    hostedUrl: `http://127.0.0.1:${hostedPort}`,
    hostedPort,
    proxyPort: app.addresses.proxy?.port ?? 0,
    events,
    event: (name) =>
      new Promise((resolve) => {
        const known = events.find(({ event }) => event === name);
        if (known) resolve(known);
        else waiters.push({ name, resolve });
      }),
    stop: app.stop,
  };
}

function configOf(options: TestCacheOptions): Config {
  const upstreams = options.upstreams.map((upstream) => upstreamOf(upstream, options));
  const name = options.default === null ? undefined : (options.default ?? upstreams[0]?.name);
  return {
    data: options.data,
    domain: options.domain,
    doors: {
      registry: { listen: { host: '127.0.0.1', port: 0 }, default: name, tls: options.tls },
      hosted: { listen: { host: '127.0.0.1', port: 0 }, tls: undefined, ...options.hostedDoor },
      proxy: { listen: options.proxy === undefined ? undefined : { host: '127.0.0.1', port: 0 } },
    },
    cache: {
      maxBytes: 1e12,
      highWatermark: 0.95,
      lowWatermark: 0.85,
      maxAgeMs: undefined,
      minFreeBytes: 0,
      graceMs: 600_000,
      scrubRateBytes: 0,
      maxDownloads: 200,
      negativeTtlMs: options.negativeTtlMs ?? 10_000,
      ...options.space,
    },
    guard: { ttlMs: 300_000, whenUpstreamFails: 'deny', ...options.guard },
    throughput: { maxBytes: 100e6, maxConcurrent: 8, ...options.throughput },
    auth: options.auth,
    hosted: {
      names: ['localhost:5001'],
      allowAnonymousPush: false,
      maxManifestBytes: 4 * 1024 * 1024,
      immutableTags: [],
      maxBytes: undefined,
      uploads: { maxAgeMs: 86_400_000, maxCount: 1000, maxBytes: undefined },
      garbage: { everyMs: undefined, graceMs: 3_600_000, untagged: false },
      ...options.hosted,
    },
    proxy: {
      ...{ others: 'tunnel', ports: [443], allowAddresses: [], idleMs: 900_000, ca: undefined, constrain: true },
      ...options.proxy,
    },
    warm: options.warm ?? [],
    offline: options.offline ?? false,
    upstreams,
    log: { level: 'info', format: 'json' },
    shutdown: { graceMs: options.graceMs ?? 1_000 },
  };
}

function upstreamOf(upstream: TestCacheOptions['upstreams'][number], options: TestCacheOptions): UpstreamConfig {
  const given = typeof upstream === 'string' ? { name: 'origin.test', urls: [new URL(upstream)] } : upstream;
  return {
    alias: given.name,
    names: [],
    ownUrls: given.urls,
    dockerHub: false,
    username: undefined,
    password: undefined,
    passwordFile: undefined,
    dockerConfig: undefined,
    tokenCommand: undefined,
    ca: undefined,
    cert: undefined,
    key: undefined,
    insecure: false,
    guard: 'auto',
    tokenHosts: [],
    maxConcurrent: undefined,
    maxBytesPerSecond: undefined,
    rateLimitReserve: { count: 0 },
    freshness: {
      tagTtlMs: options.tagTtlMs ?? 60_000,
      staleForMs: Number.POSITIVE_INFINITY,
      onDenied: 'deny',
      onMissing: 'forget',
      revalidate: 'first',
      immutableTags: [],
      rules: [],
      ...options.freshness,
    },
    ...given,
  };
}
