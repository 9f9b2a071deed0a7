import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { makeImage } from '../../support/content/images.ts';
import { assertWhole } from '../../support/http/body-reader.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { repository, setStage } from '../../support/stages/stage.ts';
import type { TestCacheOptions } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';

const yearMs = 365 * 24 * 3_600_000;
const hit = 'Entrepot; hit';
const image = makeImage({ seed: 'image', layers: [300_000] });
const unknown = makeImage({ seed: 'unknown', layers: [1] }).manifest.digest;

/** A cache that has pulled an image from an upstream that wants tokens, and is offline since, for a year. */
async function goOffline(t: TestContext) {
  const clock = new ManualClock();
  const cache: { -readonly [key in keyof TestCacheOptions]?: TestCacheOptions[key] } = { clock };
  const stage = await setStage(t, { registry: { auth: { kind: 'bearer' } }, cache });
  const { origin } = stage;
  origin.content.push(repository, image, 'latest');
  origin.content.tag(repository, 'never-pulled', image.manifest.digest);
  await rawFetch(stage.manifestUrl('latest'));
  for (const [index, { digest }] of image.blobs.entries()) {
    await rawFetch(stage.blobUrl(digest));
    await stage.log.waitFor('blob stored', index + 1);
  }
  return {
    stage,
    origin,
    async restart(offline: boolean, between?: () => void) {
      cache.offline = offline;
      await stage.restart(between);
      clock.advance(yearMs);
      origin.requests.clear();
    },
  };
}

test('offline, what is here is served as fresh, whatever its age, and nobody is asked', async (t) => {
  const { stage, origin, restart } = await goOffline(t);
  await restart(true);
  for (const reference of ['latest', image.manifest.digest]) {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await rawFetch(stage.manifestUrl(reference), { method });
      assert.deepEqual([status, headers['cache-status'], headers['warning']], [200, hit, undefined]);
      if (method === 'GET') assert.deepEqual(body, image.manifest.bytes);
    }
  }
  // What is here is served to every repository: none can be asked for, and all have the same upstream.
  for (const name of [repository, 'lib/other']) {
    for (const { digest } of image.blobs) {
      const blob = await rawFetch(stage.blobUrl(digest, name));
      assertWhole(blob, digest);
      const stat = await rawFetch(stage.blobUrl(digest, name), { method: 'HEAD' });
      for (const { status, headers } of [blob, stat]) {
        assert.deepEqual([status, headers['cache-status'], headers['warning']], [200, hit, undefined]);
      }
    }
  }
  const list = await rawFetch(`${stage.url}/v2/${repository}/tags/list`);
  assert.deepEqual(JSON.parse(list.body.toString()), { name: repository, tags: ['latest'] });
  assert.deepEqual([list.headers['cache-status'], list.headers['warning']], [hit, undefined]);
  assert.deepEqual(origin.requests.lines(), []);
  assert.equal(origin.connectionsOpen, 0);
});

test('offline, what is not here is 404 and says so, so that clients go on to the registry itself', async (t) => {
  const { stage, origin, restart } = await goOffline(t);
  await restart(true);
  const urls = {
    MANIFEST_UNKNOWN: [stage.manifestUrl('never-pulled'), stage.manifestUrl(unknown)],
    BLOB_UNKNOWN: [stage.blobUrl(unknown), stage.blobUrl(unknown, 'lib/other')],
    NAME_UNKNOWN: [`${stage.url}/v2/lib/unknown/tags/list`],
  };
  for (const [code, list] of Object.entries(urls)) {
    for (const url of list) {
      const { status, body } = await rawFetch(url);
      assert.equal(status, 404, url);
      const [error] = JSON.parse(body.toString()).errors;
      assert.equal(error.code, code);
      assert.match(error.message, /here, and this cache is offline/);
      assert.equal((await rawFetch(url, { method: 'HEAD' })).status, 404, url);
    }
  }
  const referrers = await rawFetch(`${stage.url}/v2/${repository}/referrers/${image.manifest.digest}`);
  assert.equal(referrers.status, 404);
  assert.deepEqual(origin.requests.lines(), []);
});

test('offline, a tag whose manifest was lost is 404, and is not forgotten: online it is fetched again', async (t) => {
  const { stage, origin, restart } = await goOffline(t);
  await restart(true, () => rmSync(`${stage.data}/blobs-v1`, { recursive: true }));
  assert.equal((await rawFetch(stage.manifestUrl('latest'))).status, 404);
  const list = await rawFetch(`${stage.url}/v2/${repository}/tags/list`);
  assert.deepEqual(JSON.parse(list.body.toString()).tags, ['latest']);
  assert.deepEqual(origin.requests.lines(), []);
  await restart(false);
  assert.deepEqual((await rawFetch(stage.manifestUrl('latest'))).body, image.manifest.bytes);
});
