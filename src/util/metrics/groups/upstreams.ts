import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CircuitState, UpstreamStatus } from '../../status.ts';
import type { MetricSources, Metrics } from '../metrics.ts';

// From an answer nearby to the 25 s after which a request is given up.
const upstreamBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25];

const circuitValues: Readonly<Record<CircuitState, number>> = { closed: 0, probing: 1, open: 2 };

/** What is known of the upstreams at every scrape; where nothing is known, nothing is told. */
export function measureUpstreams(registers: Registry[], sources: MetricSources): void {
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

type UpstreamMetrics = Pick<Metrics, 'fetchedBytes' | 'upstreamRequests' | 'upstreamSeconds' | 'circuitOpenings'>;

/** Counts what upstreams are asked. */
export function upstreamMetrics(registers: Registry[], sources: MetricSources): UpstreamMetrics {
  // Those that were not asked yet are there, too: see `fromZero`.
  function collect(this: Counter<'upstream'>): void {
    for (const { name } of sources.upstreams()) this.inc({ upstream: name }, 0);
  }
  return {
    fetchedBytes: new Counter({
      name: 'entrepot_upstream_fetched_bytes_total',
      help: 'Bytes of blobs that were fetched from upstream',
      labelNames: ['upstream'],
      registers,
      collect,
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
      collect,
    }),
  };
}
