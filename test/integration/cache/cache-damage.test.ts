import assert from 'node:assert/strict';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Digest } from '../../../src/oci/digest.ts';
import { makeImage } from '../../support/content/images.ts';
import { removeIndex, storedBlobs, storedPath } from '../../support/disk/store-files.ts';
import { assertWhole } from '../../support/http/body-reader.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';

const image = makeImage({ seed: 'image', layers: [20_000] });
const { digest: manifestDigest } = image.manifest;
const layer = image.blobs[1]!;
const revalidated = 'Entrepot; fwd=stale; fwd-status=200; detail=revalidated';

/** How stored bytes come to be others than they were. */
const damages: Readonly<Record<string, (path: string) => void>> = {
  'has a wrong bit': (path) => {
    const bytes = readFileSync(path);
    bytes[5]! ^= 1;
    writeFileSync(path, bytes);
  },
  'is cut short': (path) => truncateSync(path, 10),
  'is empty': (path) => truncateSync(path, 0),
  'is too long': (path) => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('x')])),
  'is missing': (path) => rmSync(path),
};

/** A cache with an image on disk, and none of it in memory: it was stopped, and something was done to its files. */
async function restartAfter(t: TestContext, change: (stage: Stage) => void): Promise<Stage> {
  const stage = await setStage(t, { cache: { retry: { rounds: 1 } } });
  stage.origin.content.push(repository, image, 'latest');
  await rawFetch(stage.manifestUrl('latest'));
  assertWhole(await rawFetch(stage.blobUrl(layer.digest)), layer.digest);
  await stage.log.waitFor('blob stored');
  await stage.restart(() => change(stage));
  stage.origin.requests.clear();
  return stage;
}

function assertStored({ data }: Stage, digest: Digest, bytes: Uint8Array): void {
  assert.deepEqual(readFileSync(storedPath(data, digest)), Buffer.from(bytes));
}

for (const [what, damage] of Object.entries(damages)) {
  test(`a stored manifest that ${what} is not served, but fetched again, and right then`, async (t) => {
    const stage = await restartAfter(t, ({ data }) => damage(storedPath(data, manifestDigest)));
    for (const reference of ['latest', manifestDigest, 'latest']) {
      const { status, body } = await rawFetch(stage.manifestUrl(reference));
      assert.equal(status, 200);
      assert.deepEqual(body, image.manifest.bytes);
    }
    assert.deepEqual(stage.origin.requests.lines(), [
      'GET /v2/',
      `GET /v2/${repository}/manifests/${shorten(manifestDigest)}`,
    ]);
    assertStored(stage, manifestDigest, image.manifest.bytes);
    assert.equal(stage.log.named('stored content is damaged, removed').length, what === 'is missing' ? 0 : 1);
  });

  test(`a stored small blob that ${what} is not served, but fetched again, and right then`, async (t) => {
    const stage = await restartAfter(t, ({ data }) => damage(storedPath(data, layer.digest)));
    const first = await rawFetch(stage.blobUrl(layer.digest));
    assertWhole(first, layer.digest);
    assert.equal(first.headers['cache-status'], 'Entrepot; fwd=miss; stored');
    await stage.log.waitFor('blob stored', 2);
    assertWhole(await rawFetch(stage.blobUrl(layer.digest)), layer.digest);
    assert.deepEqual(stage.origin.requests.lines(), [
      'GET /v2/',
      `GET /v2/${repository}/blobs/${shorten(layer.digest)}`,
    ]);
    assertStored(stage, layer.digest, layer.bytes);
  });
}

test('a damaged manifest is an error, not a wrong answer, while upstream cannot be asked', async (t) => {
  const stage = await restartAfter(t, ({ data }) => damages['has a wrong bit']!(storedPath(data, manifestDigest)));
  stage.origin.faults.closeWithoutAnswer('any', { times: Infinity });
  for (const reference of ['latest', manifestDigest]) {
    assert.equal((await rawFetch(stage.manifestUrl(reference))).status, 502);
  }
  stage.origin.faults.clear();
  assert.deepEqual((await rawFetch(stage.manifestUrl('latest'))).body, image.manifest.bytes);
});

test('a lost index is filled again from the files, without asking for the bytes of any blob', async (t) => {
  const stage = await restartAfter(t, ({ data }) => removeIndex(data));
  const sizes = layer.bytes.length + image.manifest.bytes.length;
  const { facts } = await stage.log.waitFor('index refilled from the store');
  assert.deepEqual(facts, { contents: 2, bytes: sizes });
  assert.deepEqual(stage.origin.requests.lines(), []);
  const statuses = [];
  for (let i = 0; i < 2; i++) {
    const blob = await rawFetch(stage.blobUrl(layer.digest));
    assertWhole(blob, layer.digest);
    const manifest = await rawFetch(stage.manifestUrl('latest'));
    assert.deepEqual(manifest.body, image.manifest.bytes);
    statuses.push(blob.headers['cache-status'], manifest.headers['cache-status']);
  }
  assert.deepEqual(statuses, [revalidated, 'Entrepot; fwd=miss; stored', 'Entrepot; hit', 'Entrepot; hit']);
  assert.deepEqual(stage.origin.requests.lines(), [
    'GET /v2/',
    `HEAD /v2/${repository}/blobs/${shorten(layer.digest)}`,
    `GET /v2/${repository}/manifests/latest`,
  ]);
  // All that is stored is known again, with its size.
  const metrics = (await rawFetch(`${stage.url}/metrics`)).body.toString();
  assert.match(metrics, /^entrepot_store_contents 2$/m);
  assert.match(metrics, new RegExp(`^entrepot_store_bytes ${sizes}$`, 'm'));
});

test('HEAD of a blob fills a lost index, too', async (t) => {
  const stage = await restartAfter(t, ({ data }) => removeIndex(data));
  const ask = () => rawFetch(stage.blobUrl(layer.digest), { method: 'HEAD' });
  assert.equal((await ask()).headers['cache-status'], revalidated);
  assert.equal((await ask()).headers['cache-status'], 'Entrepot; hit');
  assert.deepEqual(stage.origin.requests.lines(), [
    'GET /v2/',
    `HEAD /v2/${repository}/blobs/${shorten(layer.digest)}`,
  ]);
  await stage.log.waitFor('index refilled from the store');
  assert.match((await rawFetch(`${stage.url}/metrics`)).body.toString(), /^entrepot_store_contents 2$/m);
});

test('an index that is no database is moved aside, and nothing is lost that upstream has', async (t) => {
  const stage = await restartAfter(t, (stopped) => {
    removeIndex(stopped.data);
    writeFileSync(join(stopped.data, 'index-v1.sqlite'), 'this is not a database, and long enough to be read as one');
  });
  assertWhole(await rawFetch(stage.blobUrl(layer.digest)), layer.digest);
  assert.deepEqual((await rawFetch(stage.manifestUrl('latest'))).body, image.manifest.bytes);
  assert.deepEqual(storedBlobs(stage.data).length, 2);
});
