import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, truncateSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { makeImage } from '../../support/content/images.ts';
import { removeIndex, storedPath } from '../../support/disk/store-files.ts';
import { assertWhole } from '../../support/http/body-reader.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';

// Larger than what is verified whenever it is read: of this, nothing but its size tells while it is served.
const layer = makeImage({ seed: 'large', layers: [200_000] }).blobs[1]!;
const other = 'lib/other';

const damages: Readonly<Record<string, (path: string) => void>> = {
  'was cut': (path) => truncateSync(path, 150_000),
  'was cut so much that it is small': (path) => truncateSync(path, 10),
  'is too long': (path) => appendFileSync(path, 'x'),
};

async function stageWithLayer(t: TestContext): Promise<Stage> {
  const stage = await setStage(t, { cache: { retry: { rounds: 1 } } });
  for (const name of [repository, other]) stage.origin.content.putBlob(name, layer.bytes);
  assertWhole(await rawFetch(stage.blobUrl(layer.digest)), layer.digest);
  await stage.log.waitFor('blob stored');
  stage.origin.requests.clear();
  return stage;
}

function assertFetchedOnce(stage: Stage, ...before: string[]): void {
  const get = `GET /v2/${repository}/blobs/${shorten(layer.digest)}`;
  assert.deepEqual(stage.origin.requests.lines(), [...before, get]);
  assert.deepEqual(readFileSync(storedPath(stage.data, layer.digest)), Buffer.from(layer.bytes));
}

for (const [what, damage] of Object.entries(damages)) {
  test(`a stored blob that ${what} is dropped at a hit, and fetched again by the same request`, async (t) => {
    const stage = await stageWithLayer(t);
    damage(storedPath(stage.data, layer.digest));
    const { length: sizeBytes } = readFileSync(storedPath(stage.data, layer.digest));
    const first = await rawFetch(stage.blobUrl(layer.digest));
    assertWhole(first, layer.digest);
    assert.equal(first.headers['cache-status'], 'Entrepot; fwd=miss; stored');
    await stage.log.waitFor('blob stored', 2);
    const second = await rawFetch(stage.blobUrl(layer.digest));
    assertWhole(second, layer.digest);
    assert.equal(second.headers['cache-status'], 'Entrepot; hit');
    assertFetchedOnce(stage);
    const [dropped, ...more] = stage.log.named('stored content is damaged, removed');
    assert.deepEqual(dropped?.facts, { digest: layer.digest, sizeBytes, knownBytes: layer.bytes.length });
    assert.deepEqual(more, []);
    const scrape = parsePrometheusText((await rawFetch(`${stage.url}/metrics`)).body.toString());
    assert.equal(scrape.value('entrepot_damaged_contents_total'), 1);
    assert.equal(scrape.value('entrepot_store_bytes'), layer.bytes.length);
  });

  test(`HEAD of a stored blob that ${what} does not tell its wrong size`, async (t) => {
    const stage = await stageWithLayer(t);
    damage(storedPath(stage.data, layer.digest));
    const head = await rawFetch(stage.blobUrl(layer.digest), { method: 'HEAD' });
    assert.equal(head.headers['content-length'], `${layer.bytes.length}`);
    assertWhole(await rawFetch(stage.blobUrl(layer.digest)), layer.digest);
    await stage.log.waitFor('blob stored', 2);
    assertFetchedOnce(stage, `HEAD /v2/${repository}/blobs/${shorten(layer.digest)}`);
  });

  test(`a stored blob that ${what} while the index was lost is found when upstream tells its size`, async (t) => {
    const stage = await stageWithLayer(t);
    await stage.restart(() => {
      removeIndex(stage.data);
      damage(storedPath(stage.data, layer.digest));
    });
    await stage.log.waitFor('index refilled from the store');
    assertWhole(await rawFetch(stage.blobUrl(layer.digest)), layer.digest);
    await stage.log.waitFor('blob stored', 2);
    assert.equal(stage.log.named('stored content is damaged, removed').length, 1);
    assertFetchedOnce(stage, 'GET /v2/', `HEAD /v2/${repository}/blobs/${shorten(layer.digest)}`);
  });
}

test('a damaged blob is no hit of another repository either', async (t) => {
  const stage = await stageWithLayer(t);
  truncateSync(storedPath(stage.data, layer.digest), 150_000);
  assertWhole(await rawFetch(stage.blobUrl(layer.digest, other)), layer.digest);
  await stage.log.waitFor('blob stored', 2);
  assertWhole(await rawFetch(stage.blobUrl(layer.digest)), layer.digest);
  // Dropped, it is linked to no repository any more: the first one's link is confirmed anew.
  assert.deepEqual(stage.origin.requests.lines(), [
    `HEAD /v2/${other}/blobs/${shorten(layer.digest)}`,
    `GET /v2/${other}/blobs/${shorten(layer.digest)}`,
    `HEAD /v2/${repository}/blobs/${shorten(layer.digest)}`,
  ]);
});

test('many that ask for a damaged blob at once cost one fetch, and each gets it whole', async (t) => {
  const stage = await stageWithLayer(t);
  truncateSync(storedPath(stage.data, layer.digest), 150_000);
  const answers = await Promise.all(Array.from({ length: 8 }, () => rawFetch(stage.blobUrl(layer.digest))));
  for (const answer of answers) assertWhole(answer, layer.digest);
  await stage.log.waitFor('blob stored', 2);
  assertFetchedOnce(stage);
  assert.equal(stage.log.named('stored content is damaged, removed').length, 1);
});

for (const wrongContentLength of [-7, 7]) {
  test(`a good blob stays and is served when the HEAD of another repository says ${wrongContentLength} bytes`, async (t) => {
    const stage = await stageWithLayer(t);
    stage.origin.faults.none('HEAD blob', { quirks: { wrongContentLength } });
    const answer = await rawFetch(stage.blobUrl(layer.digest, other));
    assertWhole(answer, layer.digest);
    assert.equal(answer.headers['content-length'], `${layer.bytes.length}`);
    assert.equal(answer.headers['cache-status'], 'Entrepot; fwd=stale; fwd-status=200; detail=revalidated');
    for (const name of [other, repository]) {
      const again = await rawFetch(stage.blobUrl(layer.digest, name));
      assertWhole(again, layer.digest);
      assert.equal(again.headers['cache-status'], 'Entrepot; hit');
    }
    assert.deepEqual(stage.origin.requests.lines(), [`HEAD /v2/${other}/blobs/${shorten(layer.digest)}`]);
    assert.deepEqual(stage.log.named('stored content is damaged, removed'), []);
    const [told] = stage.log.named('upstream tells a wrong size');
    assert.equal(told?.facts['toldBytes'], layer.bytes.length + wrongContentLength);
  });
}
