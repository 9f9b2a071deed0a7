import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { parseRepository } from '../../../src/oci/reference.ts';
import { openServerStorage } from '../../../src/storage.ts';
import { systemClock } from '../../../src/util/time/clock.ts';
import { runTool } from '../../support/command/run-tool.ts';
import { makeImage, type TestImage } from '../../support/content/images.ts';
import { writeBlob } from '../../support/disk/kept-store.ts';
import { storedBlobs, storedPath } from '../../support/disk/store-files.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { putHostedImage } from '../../support/hosted/hosted-image.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';

// They share their layer, and have a configuration each.
const [hosted, cached] = ['amd64', 'arm64'].map((architecture) =>
  makeImage({ seed: 'app', layers: [30_000], architecture }),
) as [TestImage, TestImage];
const name = 'localhost:5001/team/app:v1';

const sizeOf = (image: TestImage): number =>
  image.manifest.bytes.length + image.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** A data folder with a hosted image, and a cached one that shares its layer; all of it is old. */
async function setUp(t: TestContext) {
  const data = tmpDir(t);
  const storage = await openServerStorage(data, { clock: systemClock, maxPartialBytes: 1, onBroken() {} });
  const { store, index } = storage;
  const key = { registry: 'origin.test', repository: parseRepository('lib/app') };
  for (const { digest, bytes } of cached.blobs) {
    await writeBlob(store, digest, bytes);
    await index.putContent(digest, bytes.length, 1);
    await index.link(key, digest, undefined, 1);
  }
  const { digest, bytes, mediaType } = cached.manifest;
  await writeBlob(store, digest, bytes);
  await index.putContent(digest, bytes.length, 1);
  await index.link(key, digest, mediaType, 1);
  await index.putReferences(
    digest,
    cached.blobs.map((blob) => blob.digest),
  );
  await putHostedImage(storage, 'team/app', hosted, { tag: 'v1' });
  await index.markRebuilt();
  await storage.close();
  return data;
}

const settings = {
  upstreams: { 'origin.test': { url: 'http://127.0.0.1:1' } },
  doors: { registry: { default: 'origin.test' } },
  hosted: { names: ['localhost:5001', 'push.corp'] },
};

function run(data: string, ...args: string[]) {
  return runTool({ folder: data, settings }, ...args);
}

test('hosted images are listed by the first name of the hosted registry, with what they share', async (t) => {
  const data = await setUp(t);
  const { out } = await run(data, 'ls', '--json');
  const images = JSON.parse(out) as { registry: string; repository: string; tags: string[]; ownBytes: number }[];
  assert.deepEqual(
    images.map(({ registry, repository, tags, ownBytes }) => [registry, repository, tags, ownBytes]),
    [
      ['localhost:5001', 'team/app', ['v1'], sizeOf(hosted) - 30_000],
      ['origin.test', 'lib/app', [], sizeOf(cached) - 30_000],
    ],
  );
  for (const pattern of ['localhost:5001/team/*', 'push.corp', 'hosted.entrepot/team/app:v1']) {
    assert.match((await run(data, 'ls', pattern)).out, /^localhost:5001\/team\/app +v1 /m, pattern);
  }
});

test('a hosted image that is pulled was used then, as often as it was', async (t) => {
  const data = await setUp(t);
  const ofImage = async () => {
    const { out } = await run(data, 'ls', 'localhost:5001', '--json');
    const [image] = JSON.parse(out) as { lastPull: string; hits: number }[];
    return { lastPullMs: Date.parse(image!.lastPull), hits: image!.hits };
  };
  const before = await ofImage();
  assert.equal(before.hits, 0);
  const cache = await startTestCache({ data, upstreams: [] });
  const beganAtMs = Date.now();
  for (const method of ['HEAD', 'GET', 'GET']) {
    const answer = await fetch(`${cache.url}/v2/hosted.entrepot/team/app/manifests/v1`, { method });
    assert.equal(answer.status, 200);
    await answer.arrayBuffer();
  }
  await (await fetch(`${cache.url}/v2/hosted.entrepot/team/app/blobs/${hosted.blobs[0]!.digest}`)).arrayBuffer();
  await cache.stop();
  const after = await ofImage();
  assert.equal(after.hits, 2);
  assert.ok(after.lastPullMs >= beganAtMs, `${after.lastPullMs}`);
});

test('what is hosted is not held against the size of the cache', async (t) => {
  const data = await setUp(t);
  const { out } = await run(data, 'du', '--json');
  const { total, hosted: held, unused, registries } = JSON.parse(out);
  assert.deepEqual(total, { contents: 2, sizeBytes: sizeOf(cached) - 30_000 });
  assert.deepEqual(held, { contents: 3, sizeBytes: sizeOf(hosted) });
  assert.deepEqual(unused, { contents: 0, sizeBytes: 0 });
  const shared = registries.map(({ registry, sharedBytes }: Record<string, unknown>) => [registry, sharedBytes]);
  assert.deepEqual(
    new Map(shared),
    new Map([
      ['localhost:5001', 30_000],
      ['origin.test', 30_000],
    ]),
  );
  assert.match((await run(data, 'du')).out, /^Hosted: .* 3 contents, beside that$/m);
});

test('pruning to nothing leaves what is hosted, with the layer that was cached, too', async (t) => {
  const data = await setUp(t);
  const { code, out, error } = await run(data, 'prune', '--to-size', '0', '--json');
  assert.deepEqual([code, error], [0, '']);
  assert.equal(JSON.parse(out).contents, 2);
  const kept = [hosted.manifest, ...hosted.blobs].map(({ digest }) => digest.slice('sha256:'.length));
  assert.deepEqual(new Set(storedBlobs(data)), new Set(kept));
  assert.equal((await run(data, 'verify')).code, 0);
});

test('a hosted image can be pinned, which changes nothing', async (t) => {
  const data = await setUp(t);
  assert.equal((await run(data, 'pin', 'push.corp/team/app:v1')).out, `Pinned ${name}\n`);
  assert.equal((await run(data, 'pin')).out, `${name}\n`);
  assert.equal((await run(data, 'unpin', name)).code, 0);
});

test('what is lost of a hosted image is told with its name, and repairing does not pretend to help', async (t) => {
  const data = await setUp(t);
  rmSync(storedPath(data, hosted.blobs[0]!.digest));
  for (const flags of [[], ['--repair'], ['--repair']]) {
    const { code, out, error } = await run(data, 'verify', ...flags);
    assert.equal(code, 1);
    assert.match(out, /^lost: sha256:\w+, localhost:5001\/team\/app needs it, and it is not stored: push it again$/m);
    assert.match(error, /Not put right: 1; push again what is lost$/m);
  }
});

test('without a server, the status tells what is hosted', async (t) => {
  const data = await setUp(t);
  const { out } = await run(data, 'status', '--listen', '127.0.0.1:1');
  assert.match(out, /^Hosted: 1 repository, 3 blobs and manifests, 30\.\d kB$/m);
});
