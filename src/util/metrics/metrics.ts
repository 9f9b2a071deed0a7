import type { Counter, Gauge, Histogram } from 'prom-client';
import type { HostedStatus, UpstreamStatus } from '../status.ts';
import type { DiskFailures, DiskTrouble } from '../system/disk-trouble.ts';

/** Everything that is measured; made once, and handed to whoever measures. */
export interface Metrics {
  readonly requests: Counter<'method' | 'route' | 'registry' | 'status' | 'cache'>;
  readonly requestSeconds: Histogram<'route' | 'cache'>;
  readonly servedBytes: Counter<'registry' | 'cache'>;
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
  readonly warmedImages: Counter<'result'>;
  readonly failingImages: Gauge;
  readonly warmedBytes: Counter;
  readonly lastWarming: Gauge;
  readonly proxyConnects: Counter<'result'>;
  readonly proxyTunnels: Gauge;
  readonly certificateExpires: Gauge<'door'>;
  /** What each metric is, in the order of their names. */
  describe(): MetricDescription[];
  /** All of it in the text format of Prometheus, and its content type. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** What a metric is. */
export interface MetricDescription {
  readonly name: string;
  /** `counter`, `gauge` or `histogram`. */
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
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
