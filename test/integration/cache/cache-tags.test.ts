import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makeImage, type TestImage } from '../../support/content/images.ts';
import { type RawAnswer, rawFetch } from '../../support/http/raw-http.ts';
import type { Quirks } from '../../support/registry/quirks.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type StageOptions, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

const ttlMs = 60_000;
const troubleMs = 10_000; // after upstream failed, nobody waits for it for so long
const revalidated = 'Entrepot; fwd=stale; fwd-status=200; detail=revalidated';
const stale = 'Entrepot; hit; detail=stale';

const head = `HEAD /v2/${repository}/manifests/latest`;
const get = `GET /v2/${repository}/manifests/latest`;
const old = makeImage({ seed: 'old', layers: [100] });
const renewed = makeImage({ seed: 'new', layers: [100] });

function getByDigest({ manifest }: TestImage): string {
  return `GET /v2/${repository}/manifests/${shorten(manifest.digest)}`;
}

/** A cache that knows what the tag `latest` stands for, and a clock that says when that was. */
async function setUp(t: TestContext, options: { quirks?: Quirks; cache?: StageOptions['cache'] } = {}) {
  const clock = new ManualClock();
  const stage = await setStage(t, {
    registry: { quirks: options.quirks ?? {} },
    cache: { clock, retry: { rounds: 1 }, tagTtlMs: ttlMs, ...options.cache },
  });
  stage.origin.content.push(repository, old, 'latest');
  const pull = (reference = 'latest') => rawFetch(stage.manifestUrl(reference));
  const first = await pull();
  assert.equal(first.headers['cache-status'], 'Entrepot; fwd=miss; stored');
  stage.origin.requests.clear();
  return { stage, origin: stage.origin, clock, pull };
}

function assertImage({ status, headers, body }: RawAnswer, { manifest }: TestImage, cacheStatus: string): void {
  assert.equal(status, 200);
  assert.equal(headers['docker-content-digest'], manifest.digest);
  assert.equal(headers['content-type'], manifest.mediaType);
  assert.deepEqual(body, manifest.bytes);
  assert.equal(headers['cache-status'], cacheStatus);
  assert.equal(headers['warning'] !== undefined, cacheStatus === stale);
}

test('a tag is served without upstream until its time to live is over', async (t) => {
  const { origin, clock, pull } = await setUp(t);
  for (const passedMs of [0, 1, ttlMs - 2]) {
    clock.advance(passedMs);
    assertImage(await pull(), old, 'Entrepot; hit');
  }
  assert.deepEqual(origin.requests.lines(), []);
});

test('a tag whose time is over costs one HEAD while it stands for the same, and is fresh again then', async (t) => {
  const { origin, clock, pull } = await setUp(t);
  clock.advance(ttlMs);
  assertImage(await pull(), old, revalidated);
  assert.deepEqual(origin.requests.lines(), [head]);
  clock.advance(ttlMs - 1);
  assertImage(await pull(), old, 'Entrepot; hit');
  clock.advance(1);
  assertImage(await pull(), old, revalidated);
  assert.deepEqual(origin.requests.lines(), [head, head]);
});

test('a tag is asked for again when the clock was set back', async (t) => {
  const { origin, clock, pull } = await setUp(t);
  clock.advance(-3_600_000);
  assertImage(await pull(), old, revalidated);
  assert.deepEqual(origin.requests.lines(), [head]);
});

test('HEAD of a tag is answered from here, and revalidated, as GET is', async (t) => {
  const { stage, origin, clock } = await setUp(t);
  const ask = async () => {
    const { status, headers } = await rawFetch(stage.manifestUrl('latest'), { method: 'HEAD' });
    assert.deepEqual([status, headers['docker-content-digest']], [200, old.manifest.digest]);
    return headers['cache-status'];
  };
  assert.equal(await ask(), 'Entrepot; hit');
  clock.advance(ttlMs);
  assert.equal(await ask(), revalidated);
  assert.equal(await ask(), 'Entrepot; hit');
  assert.deepEqual(origin.requests.lines(), [head]);
});

test('a tag that stands for another image costs a HEAD and a GET by digest, which is not told of as fresh', async (t) => {
  const { origin, clock, pull } = await setUp(t);
  origin.content.push(repository, renewed, 'latest');
  clock.advance(ttlMs);
  assertImage(await pull(), renewed, 'Entrepot; fwd=miss; stored');
  assert.deepEqual(origin.requests.lines(), [head, getByDigest(renewed)]);
  assertImage(await pull(), renewed, 'Entrepot; hit');
  // The old image is still here by its digest.
  assertImage(await pull(old.manifest.digest), old, 'Entrepot; hit');
  assert.equal(origin.requests.all.length, 2);
});

test('a tag that moves back to an image that is here costs one HEAD', async (t) => {
  const { origin, clock, pull } = await setUp(t);
  origin.content.push(repository, renewed, 'latest');
  clock.advance(ttlMs);
  await pull();
  origin.content.tag(repository, 'latest', old.manifest.digest);
  origin.requests.clear();
  clock.advance(ttlMs);
  const { status, body } = await pull();
  assert.equal(status, 200);
  assert.deepEqual(body, old.manifest.bytes);
  assert.deepEqual(origin.requests.lines(), [head]);
});

test('a registry that has no HEAD of manifests is asked by GET, once', async (t) => {
  const { origin, clock, pull } = await setUp(t, { quirks: { head405: true } });
  origin.content.push(repository, renewed, 'latest');
  clock.advance(ttlMs);
  const { status, body } = await pull();
  assert.equal(status, 200);
  assert.deepEqual(body, renewed.manifest.bytes);
  assert.deepEqual(origin.requests.lines(), [head, get]);
});

test('a tag that is gone upstream is 404, forgotten, and its image still here by digest', async (t) => {
  const { stage, origin, clock, pull } = await setUp(t);
  origin.content.removeTag(repository, 'latest');
  clock.advance(ttlMs);
  for (let i = 0; i < 2; i++) {
    const { status, body } = await pull();
    assert.equal(status, 404);
    assert.match(body.toString(), /MANIFEST_UNKNOWN/);
  }
  assert.deepEqual(origin.requests.lines(), [head]);
  // Forgotten: it is asked for as a tag that was never known.
  clock.advance(10_000);
  assert.equal((await pull()).status, 404);
  assert.deepEqual(origin.requests.lines(), [head, get]);
  assertImage(await pull(old.manifest.digest), old, 'Entrepot; hit');
  origin.faults.answer('tags', { status: 503 });
  assert.equal((await rawFetch(`${stage.url}/v2/${repository}/tags/list`)).status, 502);
});

for (const status of [401, 403]) {
  test(`a tag that upstream refuses with ${status} is refused, and is served again when upstream agrees`, async (t) => {
    const { origin, clock, pull } = await setUp(t);
    origin.faults.answer('HEAD manifest', { status });
    clock.advance(ttlMs);
    const refused = await pull();
    assert.equal(refused.status, 403);
    assert.match(refused.body.toString(), /DENIED/);
    clock.advance(9_999);
    assert.equal((await pull()).status, 403);
    clock.advance(1);
    assertImage(await pull(), old, revalidated);
    // Each time it is asked as somebody without credentials, too: how clients log in, and whether everybody may read it again.
    assert.deepEqual(origin.requests.lines(), [head, head, head, head]);
  });
}

for (const status of [500, 502, 503, 504, 429]) {
  test(`a tag is served stale, with a warning, while upstream answers ${status}`, async (t) => {
    const { origin, clock, pull } = await setUp(t);
    origin.faults.answer('HEAD manifest', { status, headers: { 'retry-after': '5' } });
    clock.advance(ttlMs);
    const answer = await pull();
    assertImage(answer, old, stale);
    assert.match(String(answer.headers['warning']), /^299 - ".*\b(?:429|5\d\d)\b.*"$/);
    assert.deepEqual(origin.requests.lines(), [head]);
  });
}

test('while upstream is in trouble nobody waits for it, for any tag; after ten seconds it is asked again', async (t) => {
  const { origin, clock, pull } = await setUp(t);
  origin.content.tag(repository, 'other', old.manifest.digest);
  await pull('other');
  origin.requests.clear();
  origin.faults.closeWithoutAnswer('any', { times: 2 });
  clock.advance(ttlMs);
  assertImage(await pull(), old, stale);
  assertImage(await pull('other'), old, stale);
  clock.advance(troubleMs - 1);
  assertImage(await pull(), old, stale);
  // A connection that was kept may end at any moment, so on it the request is sent once more.
  const asked = origin.requests.all.length;
  assert.ok(asked === 1 || asked === 2);
  origin.faults.clear();
  clock.advance(1);
  assertImage(await pull(), old, revalidated);
  assertImage(await pull('other'), old, revalidated);
  assert.deepEqual(origin.requests.lines().slice(asked), [head, `HEAD /v2/${repository}/manifests/other`]);
});

test('a tag is served stale when upstream does not answer soon, and its late answer still counts', async (t) => {
  const limit = new AbortController();
  const realTimeout = AbortSignal.timeout;
  // The limit of revalidation, 5 s, is the test's to fire; all others are as they are.
  t.mock.method(AbortSignal, 'timeout', (ms: number) => (ms === 5_000 ? limit.signal : realTimeout(ms)));
  const { origin, clock, pull } = await setUp(t);
  const gate = origin.faults.holdHeaders('HEAD manifest');
  clock.advance(ttlMs);
  const pulled = pull();
  await gate.reached;
  limit.abort();
  const answer = await pulled;
  assertImage(answer, old, stale);
  assert.match(String(answer.headers['warning']), /did not answer within 5000 ms/);
  gate.release();
  // The answer is noted in its own time; until then nobody else asks.
  let next = await pull();
  while (next.headers['cache-status'] === stale) next = await pull();
  assertImage(next, old, 'Entrepot; hit');
  assert.deepEqual(origin.requests.lines(), [head]);
});

test('clients that ask for a tag whose time is over, at once, cost one HEAD', async (t) => {
  const { origin, clock, pull } = await setUp(t);
  const gate = origin.faults.holdHeaders('HEAD manifest');
  clock.advance(ttlMs);
  const pulls = Array.from({ length: 16 }, () => pull());
  await gate.reached;
  gate.release();
  for (const { status, body } of await Promise.all(pulls)) {
    assert.equal(status, 200);
    assert.deepEqual(body, old.manifest.bytes);
  }
  assert.deepEqual(origin.requests.lines(), [head]);
});

test('a time to live of nothing asks upstream every time', async (t) => {
  const { origin, pull } = await setUp(t, { cache: { tagTtlMs: 0 } });
  assertImage(await pull(), old, revalidated);
  assertImage(await pull(), old, revalidated);
  assert.deepEqual(origin.requests.lines(), [head, head]);
});
