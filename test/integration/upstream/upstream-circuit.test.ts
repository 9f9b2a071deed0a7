import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makeImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, type StageOptions, setStage } from '../../support/stages/stage.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const image = makeImage({ seed: 'app', layers: [100] });
const get = `GET /v2/${repository}/manifests/1`;

/** A cache whose upstream has one image under the tags `old`, which was pulled, and `1`, which was not. */
async function setUp(t: TestContext, cache: StageOptions['cache'] = {}) {
  const clock = new ManualClock();
  const stage = await setStage(t, { cache: { clock, retry: { rounds: 1 }, ...cache } });
  stage.origin.content.push(repository, image, 'old');
  stage.origin.content.push(repository, image, '1');
  const pull = (reference: string) => rawFetch(stage.manifestUrl(reference));
  assert.equal((await pull('old')).status, 200);
  stage.origin.requests.clear();
  return { stage, origin: stage.origin, clock, pull };
}

async function measure({ url }: Stage) {
  const scrape = parsePrometheusText((await rawFetch(`${url}/metrics`)).body.toString());
  const labels = { upstream: 'origin.test' };
  return {
    state: scrape.value('entrepot_upstream_circuit_state', labels),
    openings: scrape.value('entrepot_upstream_circuit_openings_total', labels),
  };
}

test('an upstream that fails five times is asked no more until its rest is over, and then by one request', async (t) => {
  const { stage, origin, clock, pull } = await setUp(t);
  origin.faults.closeWithoutAnswer('GET manifest', { times: 6 });
  assert.deepEqual(await measure(stage), { state: 0, openings: 0 });
  for (let count = 0; count < 5; count++) assert.equal((await pull('1')).status, 502);
  const sent = origin.requests.all.length;
  for (let count = 0; count < 20; count++) {
    const { status, headers, body } = await pull('1');
    assert.deepEqual([status, headers['retry-after']], [503, '1']);
    assert.match(body.toString(), /"code":"UNAVAILABLE","message":"Upstream origin\.test is left alone until 2026-/);
  }
  assert.equal(origin.requests.all.length, sent);
  assert.deepEqual(await measure(stage), { state: 2, openings: 1 });

  clock.advance(1_000);
  origin.faults.clear();
  const gate = origin.faults.holdHeaders('GET manifest');
  origin.requests.clear();
  const probe = pull('1');
  await gate.reached;
  assert.deepEqual(await measure(stage), { state: 1, openings: 1 });
  const others = await Promise.all(['2', '3', '4'].map(pull));
  assert.deepEqual(
    others.map(({ status }) => status),
    [503, 503, 503],
  );
  gate.release();
  assert.equal((await probe).status, 200);
  assert.deepEqual(origin.requests.lines(), [get]);
  assert.deepEqual(await measure(stage), { state: 0, openings: 1 });
  const told = stage.log.events.filter(({ event }) => event.startsWith('upstream ') && event !== 'upstream answered');
  assert.deepEqual(
    told.map(({ level, event }) => [level, event]),
    [
      ['warn', 'upstream left alone'],
      ['info', 'upstream well again'],
    ],
  );
});

test('what is here is served while upstream is left alone, and nobody is asked', async (t) => {
  const { origin, clock, pull } = await setUp(t, { tagTtlMs: 0 });
  origin.faults.answer('GET manifest', { status: 503 }, { times: 5 });
  for (let count = 0; count < 5; count++) assert.equal((await pull('1')).status, 502);
  origin.requests.clear();
  for (const reference of ['old', image.manifest.digest]) {
    const { status, body } = await pull(reference);
    assert.equal(status, 200);
    assert.deepEqual(body, image.manifest.bytes);
  }
  const { headers } = await pull('old');
  assert.equal(headers['cache-status'], 'Entrepot; hit; detail=stale');
  assert.match(String(headers['warning']), /left alone until .* as it fails: it answered 503/);
  assert.deepEqual(origin.requests.lines(), []);
  clock.advance(11_000);
  assert.match(String((await pull('old')).headers['cache-status']), /revalidated/);
});

test('a download that broke waits for an upstream that is left alone, and goes on from its bytes', async (t) => {
  const sizeBytes = 2 * 1024 * 1024;
  const middle = 1024 * 1024;
  const { stage, origin, clock, pull } = await setUp(t, { download: { maxFruitlessTries: 1, firstDelayMs: 200 } });
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  origin.faults.resetAfterBytes('GET blob', middle);
  const message = await stage.request(stage.blobUrl(digest));
  const begun = await takeBytes(message, middle);
  await stage.log.waitFor('blob download resumed');
  origin.faults.answer('GET manifest', { status: 503 }, { times: 5 });
  for (let count = 0; count < 5; count++) assert.equal((await pull('1')).status, 502);
  origin.requests.clear();
  // Its own wait of 0.2 s at most is over before the rest of 0.5 s at least is.
  const first = await clock.nextSleep();
  clock.advance(Math.ceil(first.delayMs));
  const second = await clock.nextSleep();
  assert.deepEqual(origin.requests.lines(), []);
  clock.advance(Math.ceil(second.delayMs));
  const answer = await readRest(message);
  assertWhole({ ...answer, body: Buffer.concat([begun, answer.body]) }, digest);
  assert.deepEqual(origin.requests.lines(), [`GET /v2/${repository}/blobs/${shorten(digest)} bytes=${middle}-`]);
  await stage.log.waitFor('blob stored');
});

test('while one request finds out, others are told at once, though the only place at upstream is taken', async (t) => {
  const clock = new ManualClock();
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  const upstream = { name: 'origin.test', urls: [new URL(origin.url)], maxConcurrent: 1 };
  const cache = await startTestCache({ data: tmpDir(t), upstreams: [upstream], clock, retry: { rounds: 1 } });
  t.after(() => cache.stop());
  origin.content.push(repository, image, '1');
  const pull = (reference: string) => rawFetch(`${cache.url}/v2/${repository}/manifests/${reference}`);
  origin.faults.answer('GET manifest', { status: 503 }, { times: 5 });
  for (let count = 0; count < 5; count++) assert.equal((await pull('1')).status, 502);
  clock.advance(1_000);
  const gate = origin.faults.holdHeaders('GET manifest');
  const probe = pull('1');
  await gate.reached;
  assert.equal((await pull('2')).status, 503);
  gate.release();
  assert.equal((await probe).status, 200);
});
