import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrometheusText } from '../../../test/support/http/prometheus-text.ts';
import type { UpstreamStatus } from '../status.ts';
import { createMetrics } from './create-metrics.ts';
import type { MetricSources } from './metrics.ts';

const nothing: MetricSources = {
  downloadsInFlight: () => 0,
  downloadsWaiting: () => 0,
  disk: () => ({ troubles: [], failures: [] }),
  partials: async () => ({ count: 0, sizeBytes: 0 }),
  store: async () => ({ contents: 0, sizeBytes: 0 }),
  hosted: async () => ({ repositories: 0, contents: 0, sizeBytes: 0 }),
  upstreams: () => [],
  uploads: () => 0,
  integrity: () => ({ scrubbedBytes: 0, damagedContents: 0 }),
};

test('createMetrics() counts under the labels that it is told', async () => {
  const metrics = createMetrics(nothing);
  const labels = { method: 'GET', route: 'blob', registry: 'docker.io', status: '200', cache: 'hit' };
  metrics.requests.inc(labels);
  metrics.requests.inc(labels);
  metrics.servedBytes.inc({ registry: 'docker.io', cache: 'hit' }, 1500);
  metrics.fetchedBytes.inc({ upstream: 'docker.io' }, 700);
  const upstream = { upstream: 'docker.io', operation: 'manifest', method: 'HEAD', result: '429' };
  metrics.upstreamRequests.inc(upstream);
  metrics.circuitOpenings.inc({ upstream: 'docker.io' });
  metrics.requestSeconds.observe({ route: 'blob', cache: 'hit' }, 0.003);
  metrics.upstreamSeconds.observe({ upstream: 'docker.io', operation: 'manifest' }, 0.2);
  const scrape = parsePrometheusText(await metrics.render());
  assert.equal(scrape.value('entrepot_requests_total', labels), 2);
  assert.equal(scrape.value('entrepot_served_bytes_total', { registry: 'docker.io', cache: 'hit' }), 1500);
  assert.equal(scrape.value('entrepot_upstream_fetched_bytes_total', { upstream: 'docker.io' }), 700);
  assert.equal(scrape.value('entrepot_upstream_requests_total', upstream), 1);
  assert.equal(scrape.value('entrepot_upstream_circuit_openings_total', { upstream: 'docker.io' }), 1);
  const request = { route: 'blob', cache: 'hit' };
  assert.equal(scrape.value('entrepot_request_duration_seconds_count', request), 1);
  assert.equal(scrape.value('entrepot_request_duration_seconds_bucket', { ...request, le: '0.001' }), 0);
  assert.equal(scrape.value('entrepot_request_duration_seconds_bucket', { ...request, le: '0.005' }), 1);
  assert.equal(scrape.sum('entrepot_upstream_answer_seconds_sum'), 0.2);
});

test('createMetrics() writes label values so that they are read as they were, whatever is in them', async () => {
  const metrics = createMetrics(nothing);
  const upstream = 'a "quoted" back\\slash\nand line';
  metrics.fetchedBytes.inc({ upstream }, 1);
  const scrape = parsePrometheusText(await metrics.render());
  assert.equal(scrape.value('entrepot_upstream_fetched_bytes_total', { upstream }), 1);
});

test('createMetrics() reads its sources at every scrape, and all of them at the first', async () => {
  let downloads = 2;
  const metrics = createMetrics({
    ...nothing,
    downloadsInFlight: () => downloads,
    downloadsWaiting: () => 2 * downloads,
    partials: async () => ({ count: 4 * downloads, sizeBytes: 5 * downloads }),
    store: async () => ({ contents: 3 * downloads, sizeBytes: 1000 * downloads }),
    uploads: () => 6 * downloads,
    integrity: () => ({ scrubbedBytes: 500 + downloads, damagedContents: 7 + downloads }),
  });
  for (downloads of [2, 0, 5]) {
    const scrape = parsePrometheusText(await metrics.render());
    assert.equal(scrape.value('entrepot_downloads_in_flight'), downloads);
    assert.equal(scrape.value('entrepot_downloads_waiting'), 2 * downloads);
    assert.equal(scrape.value('entrepot_partial_downloads'), 4 * downloads);
    assert.equal(scrape.value('entrepot_partial_download_bytes'), 5 * downloads);
    assert.equal(scrape.value('entrepot_uploads'), 6 * downloads);
    assert.equal(scrape.value('entrepot_store_contents'), 3 * downloads);
    assert.equal(scrape.value('entrepot_store_bytes'), 1000 * downloads);
    assert.equal(scrape.value('entrepot_scrubbed_bytes_total'), 500 + downloads);
    assert.equal(scrape.value('entrepot_damaged_contents_total'), 7 + downloads);
  }
});

test('createMetrics() tells what of the disk fails while it fails, and how often it did', async () => {
  const trouble = { part: 'store', action: 'write', code: 'ENOSPC' } as const;
  let troubles = [{ ...trouble, reason: 'no space left', sinceMs: 0 }];
  const metrics = createMetrics({ ...nothing, disk: () => ({ troubles, failures: [{ ...trouble, count: 7 }] }) });
  for (const failing of [1, 0]) {
    const scrape = parsePrometheusText(await metrics.render());
    assert.equal(scrape.value('entrepot_store_failing', trouble), failing);
    assert.equal(scrape.value('entrepot_store_failures_total', trouble), 7);
    troubles = [];
  }
});

test('createMetrics() tells how each upstream is, and of its limit only while it is known', async () => {
  const limited = { limit: 100, remaining: 76, at: '2026-01-01T00:00:00.000Z', reserved: 10 };
  let upstreams: UpstreamStatus[] = [
    { name: 'docker.io', circuit: { state: 'open', failures: 5 }, rateLimit: limited },
    { name: 'ghcr.io', circuit: { state: 'closed', failures: 0 }, requests: { waiting: 3 } },
  ];
  const metrics = createMetrics({ ...nothing, upstreams: () => upstreams });
  const sample = async (name: string, upstream: string) =>
    new RegExp(`^entrepot_upstream_${name}\\{upstream="${upstream}"\\} (.*)$`, 'm').exec(await metrics.render())?.[1];
  assert.equal(await sample('circuit_state', 'docker.io'), '2');
  assert.equal(await sample('circuit_state', 'ghcr.io'), '0');
  assert.equal(await sample('waiting_requests', 'ghcr.io'), '3');
  assert.equal(await sample('waiting_requests', 'docker.io'), undefined);
  assert.equal(await sample('ratelimit_limit', 'docker.io'), '100');
  assert.equal(await sample('ratelimit_remaining', 'docker.io'), '76');
  assert.equal(await sample('ratelimit_remaining', 'ghcr.io'), undefined);
  upstreams = [{ name: 'docker.io', circuit: { state: 'probing', failures: 6 } }];
  assert.equal(await sample('circuit_state', 'docker.io'), '1');
  assert.equal(await sample('ratelimit_remaining', 'docker.io'), undefined);
});

test('createMetrics() renders everything else while the size of the store cannot be told', async () => {
  const metrics = createMetrics({ ...nothing, store: () => Promise.reject(new Error('database is locked')) });
  metrics.fetchedBytes.inc({ upstream: 'ghcr.io' }, 5);
  const scrape = parsePrometheusText(await metrics.render());
  assert.equal(scrape.value('entrepot_store_bytes'), Number.NaN);
  assert.equal(scrape.value('entrepot_upstream_fetched_bytes_total', { upstream: 'ghcr.io' }), 5);
});

test('createMetrics() has what will be counted from the start, at 0, so that a first event is one more', async () => {
  const known: UpstreamStatus = { name: 'ghcr.io', circuit: { state: 'closed', failures: 0 } };
  const text = await createMetrics({ ...nothing, upstreams: () => [known] }).render();
  for (const series of [
    ...['logins_total{result="wrong"}', 'refused_pushes_total{reason="quota"}', 'warmed_images_total{result="failed"}'],
    ...['evicted_bytes_total{reason="disk"}', 'evicted_contents_total{reason="age"}'],
    ...['proxy_connects_total{result="refused"}', 'upstream_fetched_bytes_total{upstream="ghcr.io"}'],
    'upstream_circuit_openings_total{upstream="ghcr.io"}',
  ]) {
    assert.ok(text.includes(`\nentrepot_${series} 0\n`), series);
  }
});

test('createMetrics() says of every metric what it is, and of the process what Prometheus knows', async () => {
  const scrape = parsePrometheusText(await createMetrics(nothing).render());
  const types = Object.fromEntries([...scrape.types].filter(([name]) => name.startsWith('entrepot_')));
  assert.deepEqual(types, {
    entrepot_downloads_in_flight: 'gauge',
    entrepot_downloads_waiting: 'gauge',
    entrepot_partial_downloads: 'gauge',
    entrepot_partial_download_bytes: 'gauge',
    entrepot_store_failing: 'gauge',
    entrepot_store_failures_total: 'counter',
    entrepot_store_contents: 'gauge',
    entrepot_store_limit_bytes: 'gauge',
    entrepot_store_bytes: 'gauge',
    entrepot_scrubbed_bytes_total: 'counter',
    entrepot_damaged_contents_total: 'counter',
    entrepot_logins_total: 'counter',
    entrepot_requests_total: 'counter',
    entrepot_evicted_bytes_total: 'counter',
    entrepot_evicted_contents_total: 'counter',
    entrepot_eviction_last_run_timestamp_seconds: 'gauge',
    entrepot_tls_certificate_expires_timestamp_seconds: 'gauge',
    entrepot_uploads: 'gauge',
    entrepot_proxy_connects_total: 'counter',
    entrepot_proxy_tunnels: 'gauge',
    entrepot_pushed_bytes_total: 'counter',
    entrepot_refused_pushes_total: 'counter',
    entrepot_garbage_bytes_total: 'counter',
    entrepot_garbage_contents_total: 'counter',
    entrepot_garbage_last_run_timestamp_seconds: 'gauge',
    entrepot_warmed_images_total: 'counter',
    entrepot_warm_failing_images: 'gauge',
    entrepot_warmed_bytes_total: 'counter',
    entrepot_warm_last_run_timestamp_seconds: 'gauge',
    entrepot_guard_checks_total: 'counter',
    entrepot_hosted_bytes: 'gauge',
    entrepot_hosted_contents: 'gauge',
    entrepot_hosted_repositories: 'gauge',
    entrepot_not_kept_contents_total: 'counter',
    entrepot_request_duration_seconds: 'histogram',
    entrepot_served_bytes_total: 'counter',
    entrepot_upstream_fetched_bytes_total: 'counter',
    entrepot_upstream_requests_total: 'counter',
    entrepot_upstream_answer_seconds: 'histogram',
    entrepot_upstream_circuit_openings_total: 'counter',
    entrepot_upstream_circuit_state: 'gauge',
    entrepot_upstream_ratelimit_limit: 'gauge',
    entrepot_upstream_ratelimit_remaining: 'gauge',
    entrepot_upstream_waiting_requests: 'gauge',
  });
  for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total']) {
    assert.ok(scrape.names.has(name), name);
  }
});

test('two metrics in one process count apart', async () => {
  const [first, second] = [createMetrics(nothing), createMetrics(nothing)];
  first.fetchedBytes.inc({ upstream: 'ghcr.io' }, 5);
  assert.equal(parsePrometheusText(await second.render()).sum('entrepot_upstream_fetched_bytes_total'), 0);
});

test('what is hosted is measured beside what is cached, and is no number while the index fails', async () => {
  const hosted = { repositories: 3, contents: 20, sizeBytes: 700 };
  const scrape = parsePrometheusText(await createMetrics({ ...nothing, hosted: async () => hosted }).render());
  assert.equal(scrape.value('entrepot_hosted_repositories'), 3);
  assert.equal(scrape.value('entrepot_hosted_contents'), 20);
  assert.equal(scrape.value('entrepot_hosted_bytes'), 700);
  const broken = { ...nothing, hosted: () => Promise.reject(new Error('I/O error')) };
  const without = parsePrometheusText(await createMetrics(broken).render());
  assert.equal(without.value('entrepot_hosted_bytes'), Number.NaN);
});
