import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { UpstreamConfig } from '../../../src/config/config.ts';
import { makeImage, type TestImage } from '../../support/content/images.ts';
import { type RawAnswer, rawFetch } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

const ttlMs = 60_000;
const passingMs = 10_000; // for so long a failure of upstream, or a no, is not asked about again
const yearMs = 365 * 24 * 3_600_000;
const hit = 'Entrepot; hit';
const stale = 'Entrepot; hit; detail=stale';
const revalidating = 'Entrepot; hit; detail=revalidating';
const revalidated = 'Entrepot; fwd=stale; fwd-status=200; detail=revalidated';
const stored = 'Entrepot; fwd=miss; stored';

const head = `HEAD /v2/${repository}/manifests/latest`;
const old = makeImage({ seed: 'old', layers: [100] });
const renewed = makeImage({ seed: 'new', layers: [100] });

type Pull = (reference?: string) => Promise<RawAnswer>;

interface Scene {
  readonly stage: Stage;
  readonly origin: Stage['origin'];
  readonly clock: ManualClock;
  readonly pull: Pull;
}

/** A cache that knows the tag `latest`, by some policy, and has asked nobody since. */
async function setUp(t: TestContext, freshness: Partial<UpstreamConfig['freshness']>): Promise<Scene> {
  const clock = new ManualClock();
  const stage = await setStage(t, { cache: { clock, retry: { rounds: 1 }, tagTtlMs: ttlMs, freshness } });
  stage.origin.content.push(repository, old, 'latest');
  const pull: Pull = (reference = 'latest') => rawFetch(stage.manifestUrl(reference));
  assert.equal((await pull()).headers['cache-status'], stored);
  stage.origin.requests.clear();
  return { stage, origin: stage.origin, clock, pull };
}

function assertImage({ status, headers, body }: RawAnswer, { manifest }: TestImage, cacheStatus: string): void {
  assert.deepEqual([status, headers['cache-status']], [200, cacheStatus]);
  assert.equal(headers['docker-content-digest'], manifest.digest);
  assert.deepEqual(body, manifest.bytes);
  assert.equal(headers['warning'] !== undefined, cacheStatus === stale);
}

/** The first answer that is not one that was given before a check which is still under way had ended. */
async function pullUntil(pull: Pull, isOver: (answer: RawAnswer) => boolean): Promise<RawAnswer> {
  for (;;) {
    const answer = await pull();
    if (isOver(answer)) return answer;
  }
}

const isNo = (cacheStatus: string) => (answer: RawAnswer) => answer.headers['cache-status'] !== cacheStatus;

test('in the background: any number of clients are answered at once, and upstream is asked once', async (t) => {
  const { origin, clock, pull } = await setUp(t, { revalidate: 'background' });
  clock.advance(ttlMs);
  const gate = origin.faults.holdHeaders('HEAD manifest');
  for (const answer of await Promise.all(Array.from({ length: 16 }, () => pull()))) {
    assertImage(answer, old, revalidating);
  }
  await gate.reached;
  assertImage(await pull(), old, revalidating);
  gate.release();
  assertImage(await pullUntil(pull, isNo(revalidating)), old, hit);
  assert.deepEqual(origin.requests.lines(), [head]);
});

test('in the background: a tag that moved is served as it was once, then as it is', async (t) => {
  const { origin, clock, pull } = await setUp(t, { revalidate: 'background' });
  origin.content.push(repository, renewed, 'latest');
  clock.advance(ttlMs);
  assertImage(await pull(), old, revalidating);
  assertImage(await pullUntil(pull, isNo(revalidating)), renewed, stored);
  const get = `GET /v2/${repository}/manifests/${shorten(renewed.manifest.digest)}`;
  assert.deepEqual(origin.requests.lines(), [head, get]);
});

test('in the background: while upstream fails the tag is served with a warning, and that is logged once', async (t) => {
  const { stage, origin, clock, pull } = await setUp(t, { revalidate: 'background' });
  origin.faults.answer('HEAD manifest', { status: 503 });
  clock.advance(ttlMs);
  assertImage(await pull(), old, revalidating);
  const answer = await pullUntil(pull, isNo(revalidating));
  assertImage(answer, old, stale);
  assert.match(String(answer.headers['warning']), /^299 - ".*503.*"$/);
  for (let i = 0; i < 5; i++) assertImage(await pull(), old, stale);
  assert.equal(stage.log.named('tag cannot be revalidated').length, 1);
  assert.deepEqual(origin.requests.lines(), [head]);
  clock.advance(passingMs);
  assertImage(await pullUntil(pull, isNo(stale)), old, hit);
  assert.deepEqual(origin.requests.lines(), [head, head]);
});

test('in the background: a tag that upstream refuses is not served again before upstream agrees', async (t) => {
  const { origin, clock, pull } = await setUp(t, { revalidate: 'background' });
  // Each time our own identity is refused, upstream is asked how clients log in, too, and does not say it.
  origin.faults.answer('HEAD manifest', { status: 403 }, { times: 4 });
  clock.advance(ttlMs);
  assertImage(await pull(), old, revalidating);
  assert.equal((await pullUntil(pull, isNo(revalidating))).status, 403);
  clock.advance(passingMs);
  assert.equal((await pull()).status, 403);
  clock.advance(passingMs);
  assertImage(await pull(), old, revalidated);
  clock.advance(ttlMs);
  assertImage(await pull(), old, revalidating);
});

test('in the background: a tag that is gone upstream is served once, and is 404 then', async (t) => {
  const { origin, clock, pull } = await setUp(t, { revalidate: 'background' });
  origin.content.removeTag(repository, 'latest');
  clock.advance(ttlMs);
  assertImage(await pull(), old, revalidating);
  assert.equal((await pullUntil(pull, isNo(revalidating))).status, 404);
  assert.deepEqual(origin.requests.lines(), [head]);
});

test('in the background: upstream is asked first about a tag that is too old to be served unasked', async (t) => {
  const { origin, clock, pull } = await setUp(t, { revalidate: 'background', staleForMs: 3_600_000 });
  clock.advance(ttlMs + 3_600_001);
  assertImage(await pull(), old, revalidated);
  assert.deepEqual(origin.requests.lines(), [head]);
});

test('a cache that is stopped while it asks in the background ends that, and writes nothing after its index is closed', async (t) => {
  const { stage, origin, clock, pull } = await setUp(t, { revalidate: 'background' });
  clock.advance(ttlMs);
  const gate = origin.faults.holdHeaders('HEAD manifest');
  assertImage(await pull(), old, revalidating);
  await gate.reached;
  await stage.stop();
  assert.deepEqual(
    stage.log.events.filter(({ level }) => level === 'error'),
    [],
  );
});

test('a tag is served while upstream fails for as long as the policy says, and not longer', async (t) => {
  const { origin, clock, pull } = await setUp(t, { staleForMs: 3_600_000 });
  origin.faults.answer('HEAD manifest', { status: 500 }, { times: Infinity });
  clock.advance(ttlMs + 3_600_000);
  assertImage(await pull(), old, stale);
  for (const passedMs of [1, passingMs]) {
    clock.advance(passedMs);
    const { status, body } = await pull();
    assert.equal(status, 502);
    assert.match(body.toString(), /UNAVAILABLE/);
  }
  origin.faults.clear();
  clock.advance(passingMs);
  assertImage(await pull(), old, revalidated);
});

test('an immutable tag is asked for once, and never again', async (t) => {
  const { stage, origin, clock, pull } = await setUp(t, { immutableTags: [/^v\d+\.\d+\.\d+$/] });
  for (const tag of ['v1.2.3', 'v1.2']) {
    origin.content.tag(repository, tag, old.manifest.digest);
    assertImage(await pull(tag), old, stored);
  }
  origin.requests.clear();
  for (const passedMs of [ttlMs, yearMs, -2 * yearMs]) {
    clock.advance(passedMs);
    assertImage(await pull('v1.2.3'), old, hit);
    assert.equal((await rawFetch(stage.manifestUrl('v1.2.3'), { method: 'HEAD' })).headers['cache-status'], hit);
  }
  assert.deepEqual(origin.requests.lines(), []);
  assertImage(await pull('v1.2'), old, revalidated);
});

test('a rule holds for its repositories and tags, and no others', async (t) => {
  const nothing = { staleForMs: undefined, onDenied: undefined, onMissing: undefined, revalidate: undefined };
  const rule = { ...nothing, immutableTags: undefined, repository: /^lib\//, tag: /^late/, tagTtlMs: 1_000 };
  const { stage, origin, clock, pull } = await setUp(t, { rules: [rule] });
  origin.content.push('other/app', old, 'latest');
  origin.content.tag(repository, 'stable', old.manifest.digest);
  await rawFetch(stage.manifestUrl('latest', 'other/app'));
  await pull('stable');
  origin.requests.clear();
  clock.advance(1_000);
  assertImage(await pull('stable'), old, hit);
  assertImage(await rawFetch(stage.manifestUrl('latest', 'other/app')), old, hit);
  assertImage(await pull(), old, revalidated);
  assert.deepEqual(origin.requests.lines(), [head]);
});

test('a tag that is gone upstream is served where the policy says so, with a warning, and is never forgotten', async (t) => {
  const { origin, clock, pull } = await setUp(t, { onMissing: 'serve' });
  origin.content.removeTag(repository, 'latest');
  clock.advance(ttlMs);
  assertImage(await pull(), old, stale);
  clock.advance(passingMs - 1);
  assertImage(await pull(), old, stale);
  assert.deepEqual(origin.requests.lines(), [head]);
  clock.advance(1);
  assertImage(await pull(), old, stale);
  origin.content.push(repository, renewed, 'latest');
  clock.advance(passingMs);
  assertImage(await pull(), renewed, stored);
});

for (const status of [401, 403]) {
  test(`a tag that upstream refuses with ${status} is served where the policy says so, with a warning`, async (t) => {
    const { origin, clock, pull } = await setUp(t, { onDenied: 'serve' });
    origin.faults.answer('HEAD manifest', { status });
    clock.advance(ttlMs);
    assertImage(await pull(), old, stale);
    clock.advance(passingMs);
    assertImage(await pull(), old, revalidated);
    assert.deepEqual(origin.requests.lines(), [head, head]);
  });
}

test('a tag that moved to a manifest that upstream cannot give is served as it was, until it can', async (t) => {
  const { stage, origin, clock, pull } = await setUp(t, {});
  origin.content.push(repository, renewed, 'latest');
  origin.faults.tooManyRequests('GET manifest', '5', { times: Infinity });
  clock.advance(ttlMs);
  const answer = await pull();
  assertImage(answer, old, stale);
  assert.match(String(answer.headers['warning']), /429/);
  assertImage(await pull(), old, stale);
  const { headers } = await rawFetch(stage.manifestUrl('latest'), { method: 'HEAD' });
  assert.equal(headers['docker-content-digest'], old.manifest.digest);
  origin.faults.clear();
  clock.advance(passingMs);
  assertImage(await pull(), renewed, stored);
});

test('a tag that moved to a manifest that upstream cannot give is an error when what it was is too old', async (t) => {
  const { origin, clock, pull } = await setUp(t, { staleForMs: 0 });
  origin.content.push(repository, renewed, 'latest');
  origin.faults.tooManyRequests('GET manifest', '5');
  clock.advance(ttlMs + 1);
  assert.equal((await pull()).status, 503);
});

test('a blob that upstream does not have is asked for once in ten seconds, and is there once it is pushed', async (t) => {
  const { stage, origin, clock } = await setUp(t, {});
  const bytes = Buffer.from('later');
  const blob = origin.content.putBlob('lib/elsewhere', bytes);
  const ask = async (method: string) => (await rawFetch(stage.blobUrl(blob), { method })).status;
  for (const method of ['GET', 'HEAD', 'GET']) assert.equal(await ask(method), 404);
  assert.deepEqual(origin.requests.lines(), [`GET /v2/${repository}/blobs/${shorten(blob)}`]);
  origin.content.putBlob(repository, bytes);
  clock.advance(passingMs);
  assert.equal(await ask('GET'), 200);
});
