import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeImage, seededBytes } from '../../support/content/images.ts';
import { parsePrometheusText, type Scrape } from '../../support/http/prometheus-text.ts';
import { rawFetch, rawRequest } from '../../support/http/raw-http.ts';
import { setDoorStage } from '../../support/stages/door-stage.ts';
import { repository } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

async function scrape(url: string): Promise<Scrape> {
  const { status, body } = await rawFetch(`${url}/metrics`);
  assert.equal(status, 200);
  return parsePrometheusText(body.toString());
}

/** Requests and served bytes of blobs, by cache label. */
function ofBlobs(metrics: Scrape): Record<string, readonly [requests: number, bytes: number]> {
  const labels = ['miss', 'collapsed', 'hit'];
  const rows = labels.map((cache) => [
    cache,
    [
      metrics.value('entrepot_requests_total', {
        ...{ method: 'GET', route: 'blob', registry: 'origin.test', status: '200', cache },
      }),
      metrics.value('entrepot_served_bytes_total', { registry: 'origin.test', cache }),
    ],
  ]);
  return Object.fromEntries(rows);
}

test('after a miss, one who joined it, and a hit, the counters say exactly that', async (t) => {
  const { origin, url, blobUrl, log } = await setDoorStage(t);
  const blob = seededBytes('blob', 100_000);
  const digest = origin.content.putBlob(repository, blob);
  const nothing = await scrape(url);
  assert.deepEqual(ofBlobs(nothing), { miss: [0, 0], collapsed: [0, 0], hit: [0, 0] });
  assert.equal(nothing.value('entrepot_store_contents'), 0);

  const gate = origin.faults.stallAfterBytes('GET blob', 50_000);
  const first = await rawRequest(blobUrl(digest));
  const second = await rawRequest(blobUrl(digest));
  await gate.reached;
  assert.equal((await scrape(url)).value('entrepot_downloads_in_flight'), 1);
  gate.release();
  await Promise.all([first.toArray(), second.toArray()]);
  await log.waitFor('blob stored');
  await rawFetch(blobUrl(digest));
  await log.requests(3 + 2); // the scrapes are requests, too

  const metrics = await scrape(url);
  assert.deepEqual(ofBlobs(metrics), { miss: [1, 100_000], collapsed: [1, 100_000], hit: [1, 100_000] });
  assert.equal(metrics.sum('entrepot_requests_total', { route: 'blob' }), 3);
  assert.equal(metrics.sum('entrepot_request_duration_seconds_count', { route: 'blob' }), 3);
  assert.equal(metrics.value('entrepot_upstream_fetched_bytes_total', { upstream: 'origin.test' }), 100_000);
  const upstream = { upstream: 'origin.test', operation: 'blob', method: 'GET', result: '200' };
  assert.equal(metrics.value('entrepot_upstream_requests_total', upstream), 1);
  assert.equal(metrics.sum('entrepot_upstream_requests_total'), 1);
  const asked = { upstream: 'origin.test', operation: 'blob' };
  assert.equal(metrics.value('entrepot_upstream_answer_seconds_count', asked), 1);
  assert.equal(metrics.value('entrepot_downloads_in_flight'), 0);
  assert.equal(metrics.value('entrepot_store_contents'), 1);
  assert.equal(metrics.value('entrepot_store_bytes'), 100_000);
});

test('a tag is counted as a miss, a hit, revalidated, and stale, and upstream’s results as what they were', async (t) => {
  const clock = new ManualClock();
  const { origin, url, manifestUrl, log } = await setDoorStage(t, {
    cache: { clock, tagTtlMs: 60_000, retry: { rounds: 1 } },
  });
  const { manifest } = makeImage({ seed: 'app', layers: [10] });
  origin.content.putManifest(repository, manifest.bytes, manifest.mediaType, 'latest');
  const pull = async (cacheStatus: RegExp) => {
    const { status, body, headers } = await rawFetch(manifestUrl('latest'));
    assert.deepEqual([status, body], [200, manifest.bytes]);
    assert.match(String(headers['cache-status']), cacheStatus);
    return headers['warning'];
  };
  assert.equal(await pull(/^Entrepot; fwd=miss; stored$/), undefined);
  assert.equal(await pull(/^Entrepot; hit$/), undefined);
  clock.advance(60_001);
  assert.equal(await pull(/^Entrepot; fwd=stale; .*detail=revalidated$/), undefined);
  clock.advance(60_001);
  origin.faults.answer('HEAD manifest', { status: 500 });
  assert.match(String(await pull(/^Entrepot; hit; detail=stale$/)), /^299 - "Served from the cache/);
  clock.advance(60_001);
  origin.faults.closeWithoutAnswer('HEAD manifest', { times: Infinity });
  assert.match(String(await pull(/^Entrepot; hit; detail=stale$/)), /^299 - /);
  await log.requests(5);

  const metrics = await scrape(url);
  const count = (cache: string) => metrics.sum('entrepot_requests_total', { route: 'manifest', cache });
  assert.deepEqual(['miss', 'hit', 'revalidated', 'stale'].map(count), [1, 1, 1, 2]);
  assert.equal(metrics.sum('entrepot_requests_total', { route: 'manifest' }), 5);
  const results = (method: string, result: string) =>
    metrics.value('entrepot_upstream_requests_total', {
      ...{ upstream: 'origin.test', operation: 'manifest', method, result },
    });
  const known = [results('GET', '200'), results('HEAD', '200'), results('HEAD', '500'), results('HEAD', 'UNAVAILABLE')];
  assert.deepEqual(known, [1, 1, 1, 1]);
  assert.equal(metrics.sum('entrepot_upstream_requests_total'), 4);
  const served = metrics.sum('entrepot_served_bytes_total', { registry: 'origin.test' });
  assert.equal(served, 5 * manifest.bytes.length);
});

test('requests that name no registry, or fail, are counted without one that could be made up', async (t) => {
  const { url, log } = await setDoorStage(t);
  await rawFetch(`${url}/v2/a/b/tags/list?ns=made-up.test`);
  await rawFetch(`${url}/made-up.test/v2/`);
  await rawFetch(`${url}/v2/Upper/tags/list`);
  await rawFetch(`${url}/made/up`);
  await log.requests(4);
  const { body } = await rawFetch(`${url}/metrics`);
  assert.doesNotMatch(body.toString(), /made|Upper/);
  const metrics = parsePrometheusText(body.toString());
  const labels = { method: 'GET', route: 'tags', cache: 'none' };
  assert.equal(metrics.value('entrepot_requests_total', { ...labels, registry: '', status: '404' }), 1);
  assert.equal(metrics.value('entrepot_requests_total', { ...labels, registry: 'origin.test', status: '400' }), 1);
});

test('what Docker Hub says is left of its limit can be seen', async (t) => {
  const { origin, url, manifestUrl } = await setDoorStage(t, { registry: { quirks: { pullLimit: { limit: 100 } } } });
  origin.content.push(repository, makeImage({ seed: 'app', layers: [10] }), 'latest');
  await rawFetch(manifestUrl('latest'));
  const metrics = await scrape(url);
  assert.equal(metrics.value('entrepot_upstream_ratelimit_remaining', { upstream: 'origin.test' }), 99);
});
