import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { makeImage, makeIndex } from '../../support/content/images.ts';
import { assertWhole } from '../../support/http/body-reader.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

const dayMs = 24 * 3_600_000;
const stale = 'Entrepot; hit; detail=stale';
const images = ['amd64', 'arm64'].map((architecture) =>
  makeImage({ seed: architecture, layers: [300_000, 1000], architecture }),
);
const index = makeIndex(images);

/** A cache that has pulled an image, is stopped, and is started again when its upstream is gone for good. */
async function startOffline(t: TestContext): Promise<{ stage: Stage; clock: ManualClock }> {
  const clock = new ManualClock();
  const stage = await setStage(t, { cache: { clock, retry: { rounds: 1 } } });
  const { origin } = stage;
  origin.content.push(repository, index, 'latest');
  for (const tag of ['1.0', 'never-pulled']) origin.content.tag(repository, tag, index.manifest.digest);
  for (const tag of ['latest', '1.0']) await rawFetch(stage.manifestUrl(tag));
  let stored = 0;
  for (const { manifest, blobs } of images) {
    await rawFetch(stage.manifestUrl(manifest.digest));
    for (const { digest } of blobs) {
      await rawFetch(stage.blobUrl(digest));
      await stage.log.waitFor('blob stored', ++stored);
    }
  }
  await stage.restart(() => origin.close());
  return { stage, clock };
}

test('a cache that starts without any network serves every image that it has, by tag and by digest', async (t) => {
  const { stage, clock } = await startOffline(t);
  for (const passedMs of [0, dayMs]) {
    clock.advance(passedMs);
    const tagged = await rawFetch(stage.manifestUrl('latest'));
    assert.equal(tagged.status, 200);
    assert.deepEqual(tagged.body, index.manifest.bytes);
    assert.equal(tagged.headers['cache-status'], passedMs === 0 ? 'Entrepot; hit' : stale);
    assert.equal(tagged.headers['warning']?.startsWith('299 - "'), passedMs === 0 ? undefined : true);
    for (const { manifest, blobs } of images) {
      const got = await rawFetch(stage.manifestUrl(manifest.digest));
      assert.deepEqual(got.body, manifest.bytes);
      assert.equal(got.headers['cache-status'], 'Entrepot; hit');
      for (const { digest } of blobs) {
        const blob = await rawFetch(stage.blobUrl(digest));
        assertWhole(blob, digest);
        assert.equal(blob.headers['cache-status'], 'Entrepot; hit');
        assert.equal((await rawFetch(stage.blobUrl(digest), { method: 'HEAD' })).status, 200);
      }
    }
  }
});

test('a cache without network lists the tags that it knows, page by page, and says that they may be old', async (t) => {
  const { stage } = await startOffline(t);
  const list = async (query: string) => {
    const answer = await rawFetch(`${stage.url}/v2/${repository}/tags/list${query}`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['cache-status'], stale);
    return { tags: JSON.parse(answer.body.toString()).tags as string[], link: answer.headers['link'] };
  };
  assert.deepEqual(await list(''), { tags: ['1.0', 'latest'], link: undefined });
  const { tags, link } = await list('?n=1');
  assert.deepEqual(tags, ['1.0']);
  const [, next] = /^<[^?>]*(\?[^>]*)>; rel="next"$/.exec(String(link)) ?? [];
  assert.deepEqual(await list(next!), { tags: ['latest'], link: undefined });
});

test('a cache without network says 502 of what it does not have, and never that it does not exist', async (t) => {
  const { stage } = await startOffline(t);
  const unknown = makeImage({ seed: 'unknown', layers: [1] }).manifest.digest;
  for (const url of [
    stage.manifestUrl('never-pulled'),
    stage.manifestUrl(unknown),
    stage.blobUrl(unknown),
    `${stage.url}/v2/lib/unknown/tags/list`,
  ]) {
    const { status, body } = await rawFetch(url);
    assert.equal(status, 502, url);
    assert.match(body.toString(), /UNAVAILABLE/);
  }
});

test('a cache without network is ready, and lists the repositories that it has', async (t) => {
  const { stage } = await startOffline(t);
  assert.equal((await rawFetch(`${stage.url}/readyz`)).status, 200);
  assert.equal((await rawFetch(`${stage.url}/v2/`)).status, 200);
  const catalog = await rawFetch(`${stage.url}/v2/_catalog`);
  assert.deepEqual(JSON.parse(catalog.body.toString()), { repositories: [repository] });
});

test('a blob that is here is served to another repository while upstream cannot say whether it has it', async (t) => {
  const { stage } = await startOffline(t);
  const { digest } = images[0]!.blobs[1]!;
  const answer = await rawFetch(stage.blobUrl(digest, 'lib/other'));
  assertWhole(answer, digest);
  assert.equal(answer.headers['cache-status'], stale);
  assert.match(String(answer.headers['warning']), /^299 - "/);
  const head = await rawFetch(stage.blobUrl(digest, 'lib/other'), { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['cache-status']], [200, stale]);
});

test('a first start with no upstream at all serves what comes later', async (t) => {
  const stage = await setStage(t, { cache: { retry: { rounds: 1 } } });
  const { origin } = stage;
  const digest = origin.content.putBlob(repository, Buffer.from('blob'));
  origin.faults.closeWithoutAnswer('any', { times: Infinity });
  assert.equal((await rawFetch(stage.blobUrl(digest))).status, 502);
  origin.faults.clear();
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
});

test('an emptied data folder is no obstacle to what comes next', async (t) => {
  const stage = await setStage(t);
  const digest = stage.origin.content.putGenerated(repository, 'layer', 200_000);
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  await stage.log.waitFor('blob stored');
  for (const folder of ['blobs-v1', 'spool-v1']) rmSync(`${stage.data}/${folder}`, { recursive: true });
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  await stage.log.waitFor('blob stored', 2);
  assert.equal((await rawFetch(stage.blobUrl(digest))).headers['cache-status'], 'Entrepot; hit');
});
