import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import { type Digest, hexOf } from '../../../src/oci/digest.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { makeImage, type TestImage } from '../../support/content/images.ts';
import { spoolEmptied, storedBlobs } from '../../support/disk/store-files.ts';
import { assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { parsePrometheusText } from '../../support/http/prometheus-text.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';
import type { TestCacheOptions } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';

const minuteMs = 60_000;
const maxBytes = 4_000_000;
const space = { maxBytes, highWatermark: 0.9, lowWatermark: 0.7, graceMs: 0 };
const key = { registry: 'origin.test', repository: repository as Repository };

const imageOf = (seed: string, layers: readonly number[] = [700_000, 300_000]) => makeImage({ seed, layers });
const digestsOf = ({ manifest, blobs }: TestImage): Digest[] => [manifest.digest, ...blobs.map(({ digest }) => digest)];

async function setUp(t: TestContext, cache: Partial<TestCacheOptions> = {}) {
  const clock = new ManualClock();
  const stage = await setStage(t, { cache: { clock, space, retry: { rounds: 1 }, ...cache } });
  let stored = 0;
  /** Pulls an image as a client does; resolves when what was to be stored is. Returns what came from upstream. */
  const pull = async (image: TestImage): Promise<Digest[]> => {
    clock.advance(minuteMs);
    stage.origin.content.push(repository, image);
    const fetched: Digest[] = [];
    const get = async (url: string, digest: Digest) => {
      const answer = await rawFetch(url);
      assertWhole(answer, digest);
      if (answer.headers['cache-status'] !== 'Entrepot; hit') fetched.push(digest);
      return answer.headers['cache-status'] === 'Entrepot; fwd=miss; stored';
    };
    await get(stage.manifestUrl(image.manifest.digest), image.manifest.digest);
    for (const { digest } of image.blobs) {
      if (await get(stage.blobUrl(digest), digest)) await stage.log.waitFor('blob stored', ++stored);
    }
    return fetched;
  };
  return { stage, clock, pull };
}

/** Whether the image is here; its manifest goes first, and then there may be more of it for a while. */
function isStored({ data }: Stage, image: TestImage): boolean {
  const names = storedBlobs(data);
  if (!names.includes(hexOf(image.manifest.digest))) return false;
  for (const digest of digestsOf(image)) assert.ok(names.includes(hexOf(digest)), 'what is here of it is whole');
  return true;
}

function assertStored(stage: Stage, images: readonly TestImage[]): void {
  assert.deepEqual(storedBlobs(stage.data), images.flatMap(digestsOf).map(hexOf).sort());
}

async function scrape({ url }: Stage) {
  return parsePrometheusText((await rawFetch(`${url}/metrics`)).body.toString());
}

test('what was pulled longest ago goes, image by image, and is fetched again when it is asked for', async (t) => {
  const { stage, pull } = await setUp(t);
  const [first, second, third, fourth] = ['first', 'second', 'third', 'fourth'].map((seed) => imageOf(seed));
  for (const image of [first!, second!, third!]) await pull(image);
  assert.deepEqual(await pull(first!), []); // a hit on each: now the second is the oldest
  await pull(fourth!);
  const { facts } = await stage.log.waitFor('room made');
  assert.equal(facts['contents'], 4);
  assertStored(stage, [first!, third!, fourth!]);

  stage.origin.requests.clear();
  assert.deepEqual(await pull(first!), []);
  assert.deepEqual(stage.origin.requests.lines(), []);
  assert.deepEqual(await pull(second!), digestsOf(second!));
  assert.deepEqual(
    stage.origin.requests.lines(),
    digestsOf(second!).map(
      (digest, at) => `GET /v2/${repository}/${at === 0 ? 'manifests' : 'blobs'}/${shorten(digest)}`,
    ),
  );
  await stage.log.waitFor('room made', 2);
  const metrics = await scrape(stage);
  assert.equal(metrics.value('entrepot_store_limit_bytes'), maxBytes);
  assert.equal(metrics.value('entrepot_evicted_contents_total', { reason: 'size' }), 8);
  assert.ok(metrics.value('entrepot_evicted_bytes_total', { reason: 'size' }) > 2_000_000);
  assert.ok(metrics.value('entrepot_store_bytes') <= maxBytes * space.lowWatermark + 1_010_000);
});

test('a use of a manifest keeps the layers that a client has already, and those that it shares', async (t) => {
  const { stage, clock, pull } = await setUp(t);
  const [base, other] = [imageOf('base'), imageOf('other')];
  for (const image of [base, other]) await pull(image);
  clock.advance(minuteMs);
  await rawFetch(stage.manifestUrl(base.manifest.digest)); // its layers are not asked for
  for (const seed of ['third', 'fourth']) await pull(imageOf(seed));
  await stage.log.waitFor('room made');
  assert.deepEqual([isStored(stage, base), isStored(stage, other)], [true, false]);
});

test('pinned images stay, also when they were pinned by another process', async (t) => {
  const { stage, pull } = await setUp(t);
  const pinned = imageOf('pinned');
  stage.origin.content.push(repository, pinned, 'stable');
  await rawFetch(stage.manifestUrl('stable'));
  await pull(pinned);
  const beside = openSqliteIndex(join(stage.data, 'index-v1.sqlite'));
  await beside.pin(key, 'stable' as never);
  await beside.close();
  for (let at = 0; at < 6; at++) await pull(imageOf(`image ${at}`));
  await stage.log.waitFor('room made', 2);
  assert.equal(isStored(stage, pinned), true);
  assert.deepEqual(await pull(pinned), []);
});

test('a blob that is being read stays until its reader is done, though the rest of its image goes', async (t) => {
  const { stage, pull } = await setUp(t, { space: { ...space, maxBytes: 24_000_000 } });
  const read = imageOf('read', [20_000_000]); // more than is sent ahead of a client that reads nothing
  const layer = read.blobs[1]!.digest;
  await pull(read);
  const message = await stage.request(stage.blobUrl(layer));
  await takeBytes(message, 1000);
  await pull(imageOf('next', [1_000_000, 2_000_000]));
  await stage.log.waitFor('room made');
  const names = storedBlobs(stage.data);
  assert.equal(names.includes(hexOf(layer)), true);
  assert.equal(names.includes(hexOf(read.manifest.digest)), false);
  const { body } = await readRest(message);
  assert.equal(body.length, 19_999_000);
});

test('when all that is here has to stay, content is passed on and not kept, and the log says so once', async (t) => {
  const { stage, clock, pull } = await setUp(t, { space: { ...space, graceMs: 60 * minuteMs } });
  const kept = ['first', 'second', 'third'].map((seed) => imageOf(seed));
  for (const image of kept) await pull(image);
  const more = [1_500_000, 1_400_000].map((sizeBytes) =>
    stage.origin.content.putGenerated(repository, `blob ${sizeBytes}`, sizeBytes),
  );
  for (const [at, digest] of more.entries()) {
    assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
    await stage.log.waitFor('blob passed on, not kept', at + 1);
  }
  await spoolEmptied(stage.data);
  assertStored(stage, kept);
  assert.deepEqual(
    stage.log.named('no room to keep content').map(({ facts }) => facts['digest']),
    [more[0]],
  );
  assert.equal((await scrape(stage)).value('entrepot_not_kept_contents_total'), 2);

  clock.advance(61 * minuteMs); // they are not new any more
  assertWhole(await rawFetch(stage.blobUrl(more[0]!)), more[0]!);
  await stage.log.waitFor('room made');
  await stage.log.waitFor('blob stored', 10);
  assert.equal(isStored(stage, kept[0]!), false);
});

test('a blob larger than the cache is passed on whole, is not kept, and costs nothing that is here', async (t) => {
  const { stage, pull } = await setUp(t);
  const image = imageOf('image');
  await pull(image);
  const digest = stage.origin.content.putGenerated(repository, 'huge', 3 * maxBytes);
  stage.origin.requests.clear();
  for (let at = 0; at < 2; at++) {
    const answer = await rawFetch(stage.blobUrl(digest));
    assertWhole(answer, digest);
    assert.equal(answer.headers['cache-status'], 'Entrepot; fwd=miss');
    await stage.log.waitFor('blob passed on, not kept', at + 1);
  }
  const get = `GET /v2/${repository}/blobs/${shorten(digest)}`;
  assert.deepEqual(stage.origin.requests.lines(), [get, get]);
  assertStored(stage, [image]);
  assert.equal((await scrape(stage)).value('entrepot_not_kept_contents_total'), 2);
  const range = await rawFetch(stage.blobUrl(digest), { headers: { range: 'bytes=11000000-11000099' } });
  assert.deepEqual([range.status, range.body.length], [206, 100]);
  assert.deepEqual(stage.log.named('blob cannot be stored'), []);
});

test('a blob of unknown size is not kept when it comes to more than the cache holds', async (t) => {
  const { stage } = await setUp(t);
  stage.origin.setQuirks({ noContentLength: true });
  const digest = stage.origin.content.putGenerated(repository, 'huge', 2 * maxBytes);
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  await stage.log.waitFor('blob passed on, not kept');
  await spoolEmptied(stage.data);
  assert.deepEqual(storedBlobs(stage.data), []);
});

test('what was not pulled for longer than the age goes within a minute', async (t) => {
  const { stage, clock, pull } = await setUp(t, { space: { ...space, maxAgeMs: 10 * minuteMs } });
  const [old, used] = [imageOf('old'), imageOf('used')];
  for (const image of [old, used]) await pull(image);
  clock.advance(5 * minuteMs);
  assert.deepEqual(await pull(used), []);
  await clock.nextSleep((delayMs) => delayMs === minuteMs);
  clock.advance(4 * minuteMs);
  await stage.log.waitFor('room made');
  assertStored(stage, [used]);
  assert.equal((await scrape(stage)).value('entrepot_evicted_contents_total', { reason: 'age' }), 4);
});

test('with the disk nearly full, as much goes as it lacks', async (t) => {
  let freeBytes = 10_000_000;
  const { stage, clock, pull } = await setUp(t, {
    space: { ...space, minFreeBytes: 1_000_000 },
    freeBytes: async () => freeBytes,
  });
  const images = ['first', 'second', 'third'].map((seed) => imageOf(seed));
  for (const image of images) await pull(image);
  const troubles = async () => JSON.parse((await rawFetch(`${stage.url}/status`)).body.toString()).troubles;
  assert.equal(await troubles(), undefined);
  freeBytes = 400_000;
  assert.deepEqual(await troubles(), [
    'only 0 MB are free where the data folder is: cache.minFreeBytes wants 1 MB, so what is cached goes',
  ]);
  clock.advance(minuteMs);
  await stage.log.waitFor('room made');
  assert.deepEqual(
    images.map((image) => isStored(stage, image)),
    [false, true, true],
  );
  const metrics = await scrape(stage);
  assert.equal(metrics.value('entrepot_evicted_bytes_total', { reason: 'disk' }) >= 600_000, true);
  assert.equal(metrics.sum('entrepot_evicted_contents_total', { reason: 'size' }), 0);
});

test('a cache that is started with less space than it takes makes room at once', async (t) => {
  const { stage, pull } = await setUp(t);
  const images = ['first', 'second', 'third'].map((seed) => imageOf(seed));
  for (const image of images) await pull(image);
  const { data } = stage;
  await stage.stop();
  const small = await setStage(t, {
    data,
    cache: { clock: new ManualClock(), space: { ...space, maxBytes: 2_000_000 } },
  });
  await small.log.waitFor('room made');
  assert.deepEqual(
    images.map((image) => isStored(small, image)),
    [false, false, true],
  );
});

test('clients that pull at the same time get what is right, and never more is kept than may be', async (t) => {
  const { stage, clock } = await setUp(t);
  const images = Array.from({ length: 12 }, (_, at) => imageOf(`image ${at}`, [400_000, 200_000 + at]));
  for (const image of images) stage.origin.content.push(repository, image);
  const beside = openSqliteIndex(join(stage.data, 'index-v1.sqlite'));
  const clients = Array.from({ length: 6 }, async (_, client) => {
    for (let count = 0; count < 8; count++) {
      clock.advance(100);
      const image = images[(client * 5 + count * 7) % images.length]!;
      assertWhole(await rawFetch(stage.manifestUrl(image.manifest.digest)), image.manifest.digest);
      for (const { digest } of image.blobs) assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
      assert.ok((await beside.totals()).sizeBytes <= maxBytes);
    }
  });
  await Promise.all(clients);
  assert.ok(stage.log.named('room made').length > 0);
  await stage.stop();
  const listed = await beside.listContents({ count: 1_000 });
  assert.deepEqual(listed.map(({ digest }) => hexOf(digest)).sort(), storedBlobs(stage.data));
  await beside.close();
});
