import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makeImage, makeIndex } from '../../support/content/images.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import type { Quirks } from '../../support/registry/quirks.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type StageOptions, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

const image = makeImage({ seed: 'image', layers: [100] });
const renewed = makeImage({ seed: 'renewed', layers: [100] });
const { digest, bytes, mediaType } = image.manifest;
const byTag = `/v2/${repository}/manifests/latest`;
const byDigest = `/v2/${repository}/manifests/${shorten(digest)}`;

async function setUp(t: TestContext, quirks: Quirks = {}, cache: StageOptions['cache'] = {}) {
  const clock = new ManualClock();
  const stage = await setStage(t, { registry: { quirks }, cache: { clock, retry: { rounds: 1 }, ...cache } });
  stage.origin.content.push(repository, image, 'latest');
  return { stage, origin: stage.origin, clock };
}

test('HEAD of a tag that is not here costs one HEAD and no GET; the GET after it is by digest', async (t) => {
  const { stage, origin } = await setUp(t);
  const head = await rawFetch(stage.manifestUrl('latest'), { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.headers['docker-content-digest'], digest);
  assert.equal(head.headers['content-length'], `${bytes.length}`);
  assert.equal(head.headers['content-type'], mediaType);
  assert.equal(head.headers['cache-status'], 'Entrepot; fwd=miss');
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', `HEAD ${byTag}`]);
  const got = await rawFetch(stage.manifestUrl('latest'));
  assert.deepEqual(got.body, bytes);
  assert.equal(got.headers['cache-status'], 'Entrepot; fwd=miss; stored');
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', `HEAD ${byTag}`, `GET ${byDigest}`]);
});

test('HEAD of a digest that is not here costs one HEAD and no GET', async (t) => {
  const { stage, origin } = await setUp(t);
  const head = await rawFetch(stage.manifestUrl(digest), { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length']], [200, `${bytes.length}`]);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', `HEAD ${byDigest}`]);
});

test('a manifest by digest that is here never asks upstream, however old it is, and after a restart too', async (t) => {
  const { stage, origin, clock } = await setUp(t);
  assert.equal((await rawFetch(stage.manifestUrl(digest))).headers['cache-status'], 'Entrepot; fwd=miss; stored');
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', `GET ${byDigest}`]);
  origin.requests.clear();
  for (let i = 0; i < 2; i++) {
    clock.advance(365 * 24 * 3_600_000);
    const got = await rawFetch(stage.manifestUrl(digest));
    assert.deepEqual(got.body, bytes);
    assert.equal(got.headers['content-type'], mediaType);
    assert.equal(got.headers['cache-status'], 'Entrepot; hit');
    assert.equal((await rawFetch(stage.manifestUrl(digest), { method: 'HEAD' })).status, 200);
    await stage.restart();
  }
  assert.deepEqual(origin.requests.lines(), []);
});

test('a manifest that came by tag is a hit by digest', async (t) => {
  const { stage, origin } = await setUp(t);
  await rawFetch(stage.manifestUrl('latest'));
  origin.requests.clear();
  assert.equal((await rawFetch(stage.manifestUrl(digest))).headers['cache-status'], 'Entrepot; hit');
  assert.deepEqual(origin.requests.lines(), []);
});

test('a manifest of one repository is not another’s until upstream says so', async (t) => {
  const { stage, origin, clock } = await setUp(t);
  await rawFetch(stage.manifestUrl(digest));
  origin.requests.clear();
  const there = `/v2/lib/other/manifests/${shorten(digest)}`;
  assert.equal((await rawFetch(stage.manifestUrl(digest, 'lib/other'))).status, 404);
  origin.content.push('lib/other', image);
  clock.advance(10_000);
  assert.deepEqual((await rawFetch(stage.manifestUrl(digest, 'lib/other'))).body, bytes);
  assert.deepEqual(origin.requests.lines(), [`GET ${there}`, `GET ${there}`]);
});

for (const [what, reference] of Object.entries({ tag: 'latest', digest })) {
  test(`clients that ask for a cold manifest by ${what} at once cost one GET`, async (t) => {
    const { stage, origin } = await setUp(t);
    const gate = origin.faults.holdHeaders('GET manifest');
    const pulls = Array.from({ length: 16 }, () => rawFetch(stage.manifestUrl(reference)));
    await gate.reached;
    gate.release();
    const answers = await Promise.all(pulls);
    for (const { status, body } of answers) {
      assert.equal(status, 200);
      assert.deepEqual(body, bytes);
    }
    const line = reference === digest ? byDigest : byTag;
    assert.deepEqual(origin.requests.lines(), ['GET /v2/', `GET ${line}`]);
    const owners = answers.filter(({ headers }) => headers['cache-status'] === 'Entrepot; fwd=miss; stored');
    assert.equal(owners.length, 1);
  });
}

test('a client that leaves while a manifest is fetched takes it from nobody', async (t) => {
  const { stage, origin } = await setUp(t);
  const gate = origin.faults.holdHeaders('GET manifest');
  const leaving = new AbortController();
  const left = rawFetch(stage.manifestUrl('latest'), { signal: leaving.signal });
  await gate.reached;
  const stays = rawFetch(stage.manifestUrl('latest'));
  leaving.abort();
  await assert.rejects(left, { name: 'AbortError' });
  gate.release();
  assert.deepEqual((await stays).body, bytes);
});

test('a manifest whose bytes are not its digest is an error, is not kept, and is asked for again', async (t) => {
  const { stage, origin } = await setUp(t, { wrongManifest: true });
  for (const reference of ['latest', digest]) {
    const { status, body } = await rawFetch(stage.manifestUrl(reference));
    assert.equal(status, 502);
    assert.match(body.toString(), /UNAVAILABLE/);
  }
  origin.setQuirks({});
  const got = await rawFetch(stage.manifestUrl('latest'));
  assert.deepEqual(got.body, bytes);
  assert.equal(got.headers['cache-status'], 'Entrepot; fwd=miss; stored');
});

test('an index and its images come byte for byte, under their own types', async (t) => {
  const { stage, origin } = await setUp(t);
  const docker = makeImage({ seed: 'docker', layers: [10], mediaTypes: 'docker', architecture: 'arm64' });
  const typeless = makeImage({ seed: 'typeless', layers: [10], withoutMediaType: true });
  const index = makeIndex([image, docker, typeless]);
  origin.content.push(repository, index, 'multi');
  for (let i = 0; i < 2; i++) {
    for (const { manifest } of [index, image, docker, typeless]) {
      const got = await rawFetch(stage.manifestUrl(manifest === index.manifest ? 'multi' : manifest.digest));
      assert.deepEqual(got.body, manifest.bytes);
      assert.equal(got.headers['content-type'], manifest.mediaType);
    }
  }
});

for (const [what, reference] of Object.entries({ tag: 'later', digest: renewed.manifest.digest })) {
  test(`a manifest that is not there by ${what} is asked for once in ten seconds, and is there once it is pushed`, async (t) => {
    const { stage, origin, clock } = await setUp(t);
    const line = `GET /v2/${repository}/manifests/${shorten(reference)}`;
    const ask = async () => (await rawFetch(stage.manifestUrl(reference))).status;
    for (const passedMs of [0, 9_999]) {
      clock.advance(passedMs);
      assert.equal(await ask(), 404);
      assert.equal((await rawFetch(stage.manifestUrl(reference), { method: 'HEAD' })).status, 404);
    }
    assert.deepEqual(origin.requests.lines(), ['GET /v2/', line]);
    origin.content.push(repository, renewed, 'later');
    assert.equal(await ask(), 404);
    clock.advance(1);
    assert.equal(await ask(), 200);
    assert.deepEqual(origin.requests.lines(), ['GET /v2/', line, line]);
  });
}

test('what is not there is asked for every time when negative answers are not to be remembered', async (t) => {
  const { stage, origin } = await setUp(t, {}, { negativeTtlMs: 0 });
  const line = `GET /v2/${repository}/manifests/later`;
  for (let i = 0; i < 2; i++) assert.equal((await rawFetch(stage.manifestUrl('later'))).status, 404);
  origin.content.tag(repository, 'later', digest);
  assert.deepEqual((await rawFetch(stage.manifestUrl('later'))).body, bytes);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', line, line, line]);
});

test('a tag that upstream fails to tell of is asked for again by the next request', async (t) => {
  const { stage, origin } = await setUp(t);
  origin.faults.answer('GET manifest', { status: 500 });
  assert.equal((await rawFetch(stage.manifestUrl('latest'))).status, 502);
  assert.deepEqual((await rawFetch(stage.manifestUrl('latest'))).body, bytes);
});

test('that a manifest is not there by digest hides nothing when it comes by a tag', async (t) => {
  const { stage, origin } = await setUp(t);
  assert.equal((await rawFetch(stage.manifestUrl(renewed.manifest.digest))).status, 404);
  origin.content.push(repository, renewed, 'later');
  assert.equal((await rawFetch(stage.manifestUrl('later'))).status, 200);
  assert.deepEqual((await rawFetch(stage.manifestUrl(renewed.manifest.digest))).body, renewed.manifest.bytes);
});
