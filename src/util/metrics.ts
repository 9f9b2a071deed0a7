import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { DiskFailures, DiskTrouble } from './disk-trouble.ts';
import type { CircuitState, HostedStatus, UpstreamStatus } from './status.ts';

/** Everything that is measured; made once, and handed to whoever measures. */
export interface Metrics {
  readonly requests: Counter<'method' | 'route' | 'registry' | 'status' | 'cache'>;
  readonly requestSeconds: Histogram<'route' | 'cache'>;
  readonly servedBytes: Counter<'registry' | 'cache'>;
  readonly receivedBytes: Counter<'registry'>;
  readonly fetchedBytes: Counter<'upstream'>;
  readonly upstreamRequests: Counter<'upstream' | 'operation' | 'method' | 'result'>;
  readonly upstreamSeconds: Histogram<'upstream' | 'operation'>;
  readonly circuitOpenings: Counter<'upstream'>;
  readonly logins: Counter<'result'>;
  readonly guardChecks: Counter<'upstream' | 'result'>;
  readonly storeLimit: Gauge;
  readonly evictedContents: Counter<'reason'>;
  readonly evictedBytes: Counter<'reason'>;
  readonly notKept: Counter;
  readonly lastEviction: Gauge;
  readonly pushedBytes: Counter;
  readonly refusedPushes: Counter<'reason'>;
  readonly garbageContents: Counter;
  readonly garbageBytes: Counter;
  readonly lastGarbage: Gauge;
  readonly proxyConnects: Counter<'result'>;
  readonly proxyTunnels: Gauge;
  readonly certificateExpires: Gauge<'door'>;
  /** All of it in the text format of Prometheus, and its content type. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** What is read only when somebody asks. */
export interface MetricSources {
  downloadsInFlight(): number;
  downloadsWaiting(): number;
  disk(): { readonly troubles: readonly DiskTrouble[]; readonly failures: readonly DiskFailures[] };
  partials(): Promise<{ readonly count: number; readonly sizeBytes: number }>;
  store(): Promise<{ readonly contents: number; readonly sizeBytes: number }>;
  hosted(): Promise<HostedStatus>;
  /** How many uploads were begun and are not over. */
  uploads(): number;
  upstreams(): readonly UpstreamStatus[];
  /** Since the start: how much stored content was read to verify it, and how much was found damaged, by whoever. */
  integrity(): { readonly scrubbedBytes: number; readonly damagedContents: number };
}

// From a hit in memory to the 25 s after which a request is given up.
const requestBuckets = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 30, 120];
const upstreamBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25];

/** Makes the metrics in a registry of their own, so that two caches in one process do not share them. */
export function createMetrics(sources: MetricSources): Metrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });
  measureDownloads(registers, sources);
  measureDisk(registers, sources);
  // Each asks for itself: the values of one are read before another's asynchronous `collect` has ended.
  const ask = () => sources.store().catch(() => ({ contents: Number.NaN, sizeBytes: Number.NaN }));
  new Gauge({
    name: 'entrepot_store_contents',
    help: 'Blobs and manifests that are stored; not a number while the index fails',
    registers,
    async collect() {
      this.set((await ask()).contents);
    },
  });
  new Gauge({
    name: 'entrepot_store_bytes',
    help: 'Size of what is stored; not a number while the index fails',
    registers,
    async collect() {
      this.set((await ask()).sizeBytes);
    },
  });
  measureHosted(registers, sources);
  measureUpstreams(registers, sources);
  countIntegrity(sources, registers);
  return {
    contentType: register.contentType,
    render: () => register.metrics(),
    ...requestMetrics(registers),
    ...loginMetrics(registers),
    ...upstreamMetrics(registers),
    ...spaceMetrics(registers),
    ...pushMetrics(registers, sources),
    ...garbageMetrics(registers),
    ...proxyMetrics(registers),
    certificateExpires: new Gauge({
      name: 'entrepot_tls_certificate_expires_timestamp_seconds',
      help: 'When the certificate that a door shows expires',
      labelNames: ['door'],
      registers,
    }),
  };
}

function proxyMetrics(registers: Registry[]): Pick<Metrics, 'proxyConnects' | 'proxyTunnels'> {
  return {
    proxyConnects: new Counter({
      name: 'entrepot_proxy_connects_total',
      help: 'CONNECT requests that are over; result: intercepted, tunnelled, refused or failed',
      labelNames: ['result'],
      registers,
    }),
    proxyTunnels: new Gauge({
      name: 'entrepot_proxy_tunnels',
      help: 'Tunnels that are open, to hosts that are no registries',
      registers,
    }),
  };
}

function measureDisk(registers: Registry[], sources: MetricSources): void {
  const labelNames = ['part', 'action', 'code'] as const;
  new Gauge({
    name: 'entrepot_store_failing',
    help: '1 for what cannot be read or written now, of store or index, by the code of the error',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { part, action, code } of sources.disk().troubles) this.set({ part, action, code }, 1);
    },
  });
  new Counter({
    name: 'entrepot_store_failures_total',
    help: 'How often store or index could not be read or written, by the code of the error',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { part, action, code, count } of sources.disk().failures) this.inc({ part, action, code }, count);
    },
  });
}

function measureDownloads(registers: Registry[], sources: MetricSources): void {
  new Gauge({
    name: 'entrepot_downloads_in_flight',
    help: 'Blobs that are being downloaded from upstream',
    registers,
    collect() {
      this.set(sources.downloadsInFlight());
    },
  });
  new Gauge({
    name: 'entrepot_downloads_waiting',
    help: 'Blobs that wait until fewer are being downloaded',
    registers,
    collect() {
      this.set(sources.downloadsWaiting());
    },
  });
  const ask = () => sources.partials().catch(() => ({ count: Number.NaN, sizeBytes: Number.NaN }));
  new Gauge({
    name: 'entrepot_partial_downloads',
    help: 'Downloads that were cut off, and can be gone on with; not a number while the disk fails',
    registers,
    async collect() {
      this.set((await ask()).count);
    },
  });
  new Gauge({
    name: 'entrepot_partial_download_bytes',
    help: 'Size of what is left of downloads that were cut off; not a number while the disk fails',
    registers,
    async collect() {
      this.set((await ask()).sizeBytes);
    },
  });
}

/** What hosted repositories hold, which does not count for the cache. */
function measureHosted(registers: Registry[], sources: MetricSources): void {
  const measure = (name: string, help: string, read: (status: HostedStatus) => number) =>
    new Gauge({
      name: `entrepot_hosted_${name}`,
      help: `${help}; not a number while the index fails`,
      registers,
      async collect() {
        this.set(await sources.hosted().then(read, () => Number.NaN));
      },
    });
  measure('repositories', 'Repositories that were pushed to, and hold something', ({ repositories }) => repositories);
  measure('contents', 'Blobs and manifests that hosted repositories hold', ({ contents }) => contents);
  measure('bytes', 'Size of what hosted repositories hold', ({ sizeBytes }) => sizeBytes);
}

const circuitValues: Readonly<Record<CircuitState, number>> = { closed: 0, probing: 1, open: 2 };

/** What is known of the upstreams at every scrape; where nothing is known, nothing is told. */
function measureUpstreams(registers: Registry[], sources: MetricSources): void {
  const measure = (name: string, help: string, read: (status: UpstreamStatus) => number | undefined) =>
    new Gauge({
      name,
      help,
      labelNames: ['upstream'],
      registers,
      collect() {
        this.reset();
        for (const status of sources.upstreams()) {
          const value = read(status);
          if (value !== undefined) this.set({ upstream: status.name }, value);
        }
      },
    });
  measure(
    'entrepot_upstream_circuit_state',
    'Whether upstream is asked: 0 yes, 2 it is left alone as it fails, 1 one request finds out whether it still does',
    ({ circuit }) => circuitValues[circuit.state],
  );
  measure(
    'entrepot_upstream_waiting_requests',
    'Requests that wait until fewer are under way than maxConcurrent allows',
    ({ requests }) => requests?.waiting,
  );
  measure(
    'entrepot_upstream_ratelimit_limit',
    'How many pulls upstream grants within its window, by what it said last',
    ({ rateLimit }) => rateLimit?.limit,
  );
  measure(
    'entrepot_upstream_ratelimit_remaining',
    'What upstream said last is left of its pull rate limit',
    ({ rateLimit }) => rateLimit?.remaining,
  );
}

function countIntegrity({ integrity }: MetricSources, registers: Registry[]): void {
  const counters = [
    ['scrubbed_bytes', 'Bytes of stored content that were read in the background to verify them'],
    ['damaged_contents', 'Stored contents that were found to be damaged, and dropped'],
  ] as const;
  for (const [name, help] of counters) {
    new Counter({
      name: `entrepot_${name}_total`,
      help,
      registers,
      collect() {
        const { scrubbedBytes, damagedContents } = integrity();
        this.reset();
        this.inc(name === 'scrubbed_bytes' ? scrubbedBytes : damagedContents);
      },
    });
  }
}

function requestMetrics(
  registers: Registry[],
): Pick<Metrics, 'requests' | 'requestSeconds' | 'servedBytes' | 'receivedBytes'> {
  return {
    requests: new Counter({
      name: 'entrepot_requests_total',
      help: 'Requests that were answered; cache: hit, miss, collapsed, revalidated, revalidating, stale or none',
      labelNames: ['method', 'route', 'registry', 'status', 'cache'],
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'entrepot_request_duration_seconds',
      help: 'From the request to the end of its answer',
      labelNames: ['route', 'cache'],
      buckets: requestBuckets,
      registers,
    }),
    servedBytes: new Counter({
      name: 'entrepot_served_bytes_total',
      help: 'Bytes of bodies that were sent to clients',
      labelNames: ['registry', 'cache'],
      registers,
    }),
    receivedBytes: new Counter({
      name: 'entrepot_received_bytes_total',
      help: 'Bytes of bodies that clients sent, of blobs and manifests that they push',
      labelNames: ['registry'],
      registers,
    }),
  };
}

function loginMetrics(registers: Registry[]): Pick<Metrics, 'logins' | 'guardChecks'> {
  return {
    logins: new Counter({
      name: 'entrepot_logins_total',
      help: 'Passwords that were looked at, the remembered ones not counted; result: proven, wrong, or refused unseen',
      labelNames: ['result'],
      registers,
    }),
    guardChecks: new Counter({
      name: 'entrepot_guard_checks_total',
      help: 'Upstreams asked whether a client may read; result: accepted, refused, failed, or allowed though it failed',
      labelNames: ['upstream', 'result'],
      registers,
    }),
  };
}

type UpstreamMetrics = Pick<Metrics, 'fetchedBytes' | 'upstreamRequests' | 'upstreamSeconds' | 'circuitOpenings'>;

function upstreamMetrics(registers: Registry[]): UpstreamMetrics {
  return {
    fetchedBytes: new Counter({
      name: 'entrepot_upstream_fetched_bytes_total',
      help: 'Bytes of blobs that were fetched from upstream',
      labelNames: ['upstream'],
      registers,
    }),
    upstreamRequests: new Counter({
      name: 'entrepot_upstream_requests_total',
      help: 'Requests to upstream; result: the status, or the code of the error',
      labelNames: ['upstream', 'operation', 'method', 'result'],
      registers,
    }),
    upstreamSeconds: new Histogram({
      name: 'entrepot_upstream_answer_seconds',
      help: 'Until the head of an upstream answer was there, retries, tokens and redirects included',
      labelNames: ['upstream', 'operation'],
      buckets: upstreamBuckets,
      registers,
    }),
    circuitOpenings: new Counter({
      name: 'entrepot_upstream_circuit_openings_total',
      help: 'How often an upstream was left alone because it failed again and again',
      labelNames: ['upstream'],
      registers,
    }),
  };
}

function garbageMetrics(registers: Registry[]): Pick<Metrics, 'garbageContents' | 'garbageBytes' | 'lastGarbage'> {
  return {
    garbageContents: new Counter({
      name: 'entrepot_garbage_contents_total',
      help: 'Contents that were removed as no hosted repository needed them any more',
      registers,
    }),
    garbageBytes: new Counter({
      name: 'entrepot_garbage_bytes_total',
      help: 'Size of the contents that were removed as garbage',
      registers,
    }),
    lastGarbage: new Gauge({
      name: 'entrepot_garbage_last_run_timestamp_seconds',
      help: 'When garbage was collected last; 0 before the first time',
      registers,
    }),
  };
}

type SpaceMetrics = Pick<Metrics, 'storeLimit' | 'evictedContents' | 'evictedBytes' | 'notKept' | 'lastEviction'>;

function spaceMetrics(registers: Registry[]): SpaceMetrics {
  const labelNames = ['reason'] as const;
  return {
    storeLimit: new Gauge({
      name: 'entrepot_store_limit_bytes',
      help: 'How much may be stored',
      registers,
    }),
    evictedContents: new Counter({
      name: 'entrepot_evicted_contents_total',
      help: 'Contents that were removed; reason: age, size (of the cache) or disk (too full)',
      labelNames,
      registers,
    }),
    evictedBytes: new Counter({
      name: 'entrepot_evicted_bytes_total',
      help: 'Size of the contents that were removed',
      labelNames,
      registers,
    }),
    notKept: new Counter({
      name: 'entrepot_not_kept_contents_total',
      help: 'Contents that were not stored, as nothing more could be removed for them',
      registers,
    }),
    lastEviction: new Gauge({
      name: 'entrepot_eviction_last_run_timestamp_seconds',
      help: 'When it was last looked for what can be removed',
      registers,
    }),
  };
}

function pushMetrics(
  registers: Registry[],
  { uploads }: MetricSources,
): Pick<Metrics, 'pushedBytes' | 'refusedPushes'> {
  new Gauge({
    name: 'entrepot_uploads',
    help: 'Blobs whose push was begun, and is not over',
    registers,
    collect() {
      this.set(uploads());
    },
  });
  return {
    pushedBytes: new Counter({
      name: 'entrepot_pushed_bytes_total',
      help: 'Bytes of blobs that were pushed and written',
      registers,
    }),
    refusedPushes: new Counter({
      name: 'entrepot_refused_pushes_total',
      help: 'Requests of pushes that were refused; reason: count (of uploads), size, quota, disk (full) or digest (wrong)',
      labelNames: ['reason'],
      registers,
    }),
  };
}
