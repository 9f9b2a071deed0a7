import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { WarmedImage } from '../../../src/warm/warm-images.ts';
import { runTool } from '../../support/command/run-tool.ts';
import { makeImage, makeIndex } from '../../support/content/images.ts';
import { storedBlobs } from '../../support/disk/store-files.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { type Stage, setStage } from '../../support/stages/stage.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const [amd64, arm64] = [
  makeImage({ seed: 'amd64', layers: [30_000, 2000], architecture: 'amd64' }),
  makeImage({ seed: 'arm64', layers: [20_000], architecture: 'arm64' }),
];
const app = makeIndex([amd64, arm64]);
const single = makeImage({ seed: 'single', layers: [9_000_000] });

const settingsFor = (url: string) => ({
  builtinUpstreams: false,
  upstreams: { 'origin.test': { url } },
  doors: { registry: { listen: '127.0.0.1:0', default: 'origin.test' } },
});

/** A way to warm: through a server, or in the command's own process. */
async function setUp(t: TestContext, through: 'server' | 'process') {
  if (through === 'server') {
    const stage = await setStage(t);
    const place = { folder: tmpDir(t), settings: settingsFor('http://127.0.0.1:1') };
    const warm = (...args: string[]) => runTool(place, 'warm', '--address', stage.url, ...args);
    return { origin: stage.origin, data: stage.data, warm };
  }
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  const folder = tmpDir(t, { assertClosed: true });
  const place = { folder, settings: settingsFor(origin.url) };
  return { origin, data: folder, warm: (...args: string[]) => runTool(place, 'warm', ...args) };
}

const blobsOf = (image: { readonly blobs: readonly { readonly digest: string }[] }) =>
  image.blobs.map(({ digest }) => shorten(`GET /v2/lib/app/blobs/${digest}`));

for (const through of ['server', 'process'] as const) {
  test(`warm fetches what the platforms consist of once, and a second time nothing (by a ${through})`, async (t) => {
    const { origin, data, warm } = await setUp(t, through);
    origin.content.push('lib/app', app, '1.0');
    const first = await warm('lib/app:1.0', '--platform', 'linux/arm64', '--json');
    assert.deepEqual([first.code, first.error], [0, '']);
    const [image] = (JSON.parse(first.out) as { images: WarmedImage[] }).images;
    const sizes = [app, arm64].map(({ manifest }) => manifest.bytes.length);
    const blobBytes = arm64.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);
    assert.deepEqual(image, {
      name: 'origin.test/lib/app:1.0',
      digest: app.manifest.digest,
      platforms: ['linux/arm64'],
      contents: 2 + arm64.blobs.length,
      fetchedBytes: sizes[0]! + sizes[1]! + blobBytes,
      presentBytes: 0,
    });
    const asked = [
      'GET /v2/lib/app/manifests/1.0',
      shorten(`GET /v2/lib/app/manifests/${arm64.manifest.digest}`),
      ...blobsOf(arm64),
    ];
    assert.deepEqual(origin.requests.lines(/manifests|blobs/).sort(), asked.sort());
    const digests = [app, arm64].map(({ manifest }) => manifest.digest);
    const kept = [...digests, ...arm64.blobs.map(({ digest }) => digest)].map((digest) =>
      digest.slice('sha256:'.length),
    );
    assert.deepEqual(storedBlobs(data).sort(), kept.sort());
    origin.requests.clear();
    const again = await warm('lib/app:1.0', '--platform', 'linux/arm64', '--json');
    const [present] = (JSON.parse(again.out) as { images: WarmedImage[] }).images;
    assert.deepEqual([present?.fetchedBytes, present?.presentBytes], [0, image?.fetchedBytes]);
    assert.deepEqual(origin.requests.lines(), []);
  });

  test(`warm fetches a large layer in one transfer, while its progress is asked for (by a ${through})`, async (t) => {
    const { origin, warm } = await setUp(t, through);
    origin.content.push('lib/app', single, '1.0');
    const { code, out } = await warm('lib/app:1.0');
    assert.equal(code, 0);
    assert.match(
      out,
      /^Warm origin\.test\/lib\/app:1\.0: 9 MB fetched\n1 of 1 images are warm: 9 MB fetched, 0 B were here\n$/,
    );
    assert.deepEqual(origin.requests.lines(/blobs/).sort(), blobsOf(single).sort());
  });

  test(`warm tells of an image that cannot be had, fetches the others, and ends with 1 (by a ${through})`, async (t) => {
    const { origin, warm } = await setUp(t, through);
    origin.content.push('lib/app', single, '1.0');
    const { code, out, error } = await warm('lib/app:gone', 'lib/app:1.0', 'Not An Image', 'elsewhere.example/x');
    assert.equal(code, 1);
    assert.match(out, /^Failed Not An Image: Cannot read the image/m);
    assert.match(out, /^Failed origin\.test\/lib\/app:gone: /m);
    assert.match(out, /^Failed elsewhere\.example\/x:latest: /m);
    assert.match(out, /^Warm origin\.test\/lib\/app:1\.0: /m);
    assert.equal(error, 'Not warm: 3 of 4 images\n');
  });

  test(`warm says which platforms there are when none is the one that is wanted (by a ${through})`, async (t) => {
    const { origin, warm } = await setUp(t, through);
    origin.content.push('lib/app', app, '1.0');
    const { code, out } = await warm('lib/app:1.0', '--platform', 'linux/s390x');
    assert.equal(code, 1);
    assert.match(out, /^Failed .*: it is not for linux\/s390x, but for linux\/amd64, linux\/arm64$/m);
    assert.deepEqual(origin.requests.lines(/blobs/), []);
  });
}

test('warm reads lists and the resources of Kubernetes', async (t) => {
  const { origin, data, warm } = await setUp(t, 'process');
  for (const tag of ['list', 'pod', 'init']) origin.content.push('lib/app', single, tag);
  const list = join(data, 'images.txt');
  writeFileSync(list, '# what we run\nlib/app:list # the first\n\n');
  const folder = join(data, 'manifests');
  mkdirSync(join(folder, 'deep'), { recursive: true });
  const spec = { containers: [{ image: 'lib/app:pod' }], initContainers: [{ image: 'lib/app:init' }] };
  writeFileSync(join(folder, 'deep', 'pods.json'), JSON.stringify({ kind: 'Pod', spec }));
  writeFileSync(join(folder, 'README.md'), 'image: lib/app:never');
  const { code, out } = await warm('-f', list, '--from-kubernetes', folder, '--json');
  assert.equal(code, 0);
  const { images } = JSON.parse(out) as { images: WarmedImage[] };
  assert.deepEqual(images.map(({ name }) => name).sort(), [
    'origin.test/lib/app:init',
    'origin.test/lib/app:list',
    'origin.test/lib/app:pod',
  ]);
  assert.equal(origin.requests.lines(/GET .*blobs/).length, 2, 'what they share is fetched once');
});

test('warm that is given nothing says what it could be given', async (t) => {
  const { warm } = await setUp(t, 'process');
  const { code, error } = await warm();
  assert.equal(code, 2);
  assert.match(error, /^Cannot tell what to fetch: name images, or where they are named: -f, --from-kubernetes\n$/);
});

test('warm tells when the server that is named does not answer, and does not fetch past it', async (t) => {
  const folder = tmpDir(t);
  const place = { folder, settings: settingsFor('http://127.0.0.1:1') };
  const { code, error } = await runTool(place, 'warm', '--address', 'http://127.0.0.1:1', 'lib/app');
  assert.equal(code, 1);
  assert.match(
    error,
    /^Cannot ask http:\/\/127\.0\.0\.1:1: .*; see whether it runs there, and listens for this machine\n$/,
  );
});

test('a host alone is asked at the port of the door, and that is said', async (t) => {
  const stage: Stage = await setStage(t);
  stage.origin.content.push('lib/app', single, '1.0');
  const place = { folder: tmpDir(t), settings: settingsFor('http://127.0.0.1:1') };
  const listen = ['--listen', `:${new URL(stage.url).port}`];
  const { code, error } = await runTool(place, 'warm', '--address', '127.0.0.1', ...listen, 'lib/app:1.0');
  assert.equal(code, 0);
  assert.ok(error.startsWith(`--address 127.0.0.1 is taken for ${stage.url}, `), error);
});

test('a blob that is larger than the cache is told, and asked for once', async (t) => {
  const stage: Stage = await setStage(t, { cache: { space: { maxBytes: 1_000_000 } } });
  stage.origin.content.push('lib/app', single, '1.0');
  const place = { folder: tmpDir(t), settings: settingsFor('http://127.0.0.1:1') };
  const { code, out } = await runTool(place, 'warm', '--address', stage.url, 'lib/app:1.0');
  assert.equal(code, 1);
  assert.match(out, /^Failed .* is not kept: there is no room for it/m);
  assert.equal(stage.origin.requests.lines(blobsOf(single)[1]).length, 1);
});
