import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listTar } from '../../../src/archive/tar/read-tar.ts';
import { TarWriter } from '../../../src/archive/tar/write-tar.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { runTool, type ToolRun } from '../../support/command/run-tool.ts';
import { makeImage, makeIndex, type TestImage } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { startTestCache, type TestCacheOptions } from '../../support/stages/test-cache.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { startTestRegistry } from '../../support/upstream/test-registry.ts';

const [amd64, arm64] = [
  makeImage({ seed: 'amd64', layers: [2_500_000, 2000], architecture: 'amd64' }),
  makeImage({ seed: 'arm64', layers: [20_000], architecture: 'arm64' }),
];
const app = makeIndex([amd64, arm64]);
const single = makeImage({ seed: 'single', layers: [5000] });
const signature = makeImage({
  seed: 'signature',
  layers: [300],
  artifactType: 'application/vnd.example.signature',
  subject: single.manifest,
});
const upstreams = (url: string) => ({
  builtinUpstreams: false,
  upstreams: { 'origin.test': { url }, 'other.test': { url: 'http://127.0.0.1:1' } },
  doors: { registry: { listen: '127.0.0.1:0', default: 'origin.test' } },
});

/** A data folder into which images were pulled, as tools see it. */
async function setUp(t: TestContext) {
  const origin = await startTestRegistry();
  t.after(() => origin.close());
  origin.content.push('lib/app', app, '1.0');
  origin.content.push('lib/single', single, '1.0');
  origin.content.push('lib/single', signature, 'sig');
  const folder = tmpDir(t, { assertClosed: true });
  const tool = (...args: string[]): Promise<ToolRun> => runTool({ folder, settings: upstreams(origin.url) }, ...args);
  const file = join(folder, 'images.tar');
  return { origin, folder, tool, file };
}

/** Another machine, with nothing in its data folder and no way to any upstream. */
function setUpElsewhere(t: TestContext) {
  const folder = tmpDir(t, { assertClosed: true });
  const tool = (...args: string[]): Promise<ToolRun> =>
    runTool({ folder, settings: upstreams('http://127.0.0.1:1') }, ...args);
  const serve = async (options: Pick<TestCacheOptions, 'clock'> = {}) => {
    const cache = await startTestCache({
      data: folder,
      upstreams: [{ name: 'origin.test', urls: [new URL('http://127.0.0.1:1')] }],
      offline: true,
      ...options,
    });
    t.after(() => cache.stop());
    return cache;
  };
  return { folder, tool, serve };
}

/** A file in an archive, as text. */
async function readFile(archive: string, wanted: string): Promise<string> {
  const bytes = readFileSync(archive);
  const read = async (into: Uint8Array, position: number) => bytes.copy(into, 0, position);
  for await (const { name, position, sizeBytes } of listTar({ sizeBytes: bytes.length, read })) {
    if (name === wanted) return bytes.toString('utf8', position, position + sizeBytes);
  }
  throw new Error(`There is no ${wanted} in it`);
}

async function assertServed(url: string, repository: string, reference: string, image: TestImage): Promise<void> {
  const manifest = await rawFetch(`${url}/v2/${repository}/manifests/${reference}`);
  assert.equal(manifest.status, 200, reference);
  assert.ok(manifest.body.equals(image.manifest.bytes));
  assert.equal(manifest.headers['content-type'], image.manifest.mediaType);
  for (const { digest, bytes } of image.blobs) {
    const blob = await rawFetch(`${url}/v2/${repository}/blobs/${digest}`);
    assert.equal(blob.status, 200, digest);
    assert.ok(blob.body.equals(bytes));
  }
}

test('what was exported is imported on a machine without network, and served there', async (t) => {
  const { tool, file } = await setUp(t);
  assert.equal((await tool('warm', 'lib/app:1.0', 'lib/single:1.0', '--platform', 'linux/amd64')).code, 0);
  const exported = await tool('export', 'lib/app:1.0', 'lib/single:1.0', '-o', file);
  assert.deepEqual([exported.code, exported.error], [0, '']);
  assert.match(exported.out, /^Exported origin\.test\/lib\/app:1\.0 \(linux\/amd64\); not here: linux\/arm64$/m);
  const index = JSON.parse(await readFile(file, 'index.json')) as { manifests: unknown[] };
  assert.deepEqual(
    index.manifests,
    [app, single].map(({ manifest: { digest, mediaType, bytes } }, at) => {
      const name = `origin.test/lib/${['app', 'single'][at]}:1.0`;
      const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name };
      return { mediaType, digest, size: bytes.length, annotations };
    }),
  );
  const elsewhere = setUpElsewhere(t);
  const imported = await elsewhere.tool('import', file);
  assert.deepEqual([imported.code, imported.error], [0, '']);
  assert.match(
    imported.out,
    /^Imported origin\.test\/lib\/app:1\.0 \(linux\/amd64\): 2\.5 MB stored; not in the file: linux\/arm64$/m,
  );
  const cache = await elsewhere.serve();
  await assertServed(cache.url, 'lib/app', '1.0', app);
  await assertServed(cache.url, 'lib/app', amd64.manifest.digest, amd64);
  await assertServed(cache.url, 'lib/single', '1.0', single);
  const pins = await elsewhere.tool('pin');
  assert.deepEqual(pins.out.trim().split('\n').sort(), ['origin.test/lib/app:1.0', 'origin.test/lib/single:1.0']);
  const again = await elsewhere.tool('import', file, '--json');
  const { images } = JSON.parse(again.out) as { images: { storedBytes: number }[] };
  assert.deepEqual(
    images.map(({ storedBytes }) => storedBytes),
    [0, 0],
  );
});

test('the same images make the same file, byte for byte', async (t) => {
  const { tool, file } = await setUp(t);
  await tool('warm', 'lib/app:1.0', '--platform', 'all');
  await tool('export', 'lib/app:1.0', '-o', file);
  const first = readFileSync(file);
  await tool('export', 'lib/app:1.0', '-o', file);
  assert.ok(first.equals(readFileSync(file)));
});

test('what refers to an image goes with it, when it is here', async (t) => {
  const { tool, file } = await setUp(t);
  await tool('warm', 'lib/single:1.0', 'lib/single:sig');
  const { out } = await tool('export', 'lib/single:1.0', '-o', file, '--json');
  assert.deepEqual(JSON.parse(out).images[0].referrers, [signature.manifest.digest]);
  const elsewhere = setUpElsewhere(t);
  assert.equal((await elsewhere.tool('import', file)).code, 0);
  const cache = await elsewhere.serve();
  await assertServed(cache.url, 'lib/single', signature.manifest.digest, signature);
});

test('an image of which something is missing is not exported, and nothing is written', async (t) => {
  const { tool, file, folder } = await setUp(t);
  const unknown = await tool('warm', 'lib/single:1.0');
  assert.equal(unknown.code, 0);
  for (const [args, problem] of [
    [['lib/app:1.0'], /^Cannot export origin\.test\/lib\/app:1\.0: it is not here; `entrepot warm/],
    [['lib/single:1.0', 'lib/app:1.0'], /it is not here/],
    [['Not An Image'], /^Cannot (?:go on: )?.*read the image/],
  ] as const) {
    const { code, error } = await tool('export', ...args, '-o', file);
    assert.equal(code, 1);
    assert.match(error, problem);
  }
  await tool('warm', 'lib/app:1.0', '--platform', 'linux/amd64');
  const { error } = await tool('export', 'lib/app:1.0', '--platform', 'linux/arm64', '-o', file);
  assert.match(
    error,
    new RegExp(
      `its manifest ${arm64.manifest.digest} is not there; .entrepot warm. with the same --platform fetches what is missing`,
    ),
  );
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('images.tar')),
    [],
  );
});

test('content that is damaged on the disk is not exported', async (t) => {
  const { tool, file, folder } = await setUp(t);
  await tool('warm', 'lib/single:1.0');
  const layer = single.blobs[1]!;
  const hex = layer.digest.slice('sha256:'.length);
  const path = join(folder, 'blobs-v1', 'sha256', hex.slice(0, 2), hex);
  assert.ok(existsSync(path));
  writeFileSync(path, Buffer.from(layer.bytes).fill(1, 100, 101));
  const { code, error } = await tool('export', 'lib/single:1.0', '-o', file);
  assert.equal(code, 1);
  assert.match(error, /damaged; run `entrepot verify --repair`/);
  assert.ok(!existsSync(file));
});

test('an image is imported into the hosted registry, under a name of its own or below a folder', async (t) => {
  const { tool, file } = await setUp(t);
  await tool('warm', 'lib/single:1.0', 'lib/single:sig');
  await tool('export', 'lib/single:1.0', '-o', file);
  const elsewhere = setUpElsewhere(t);
  for (const hosted of ['team/tool:2.0', 'mirror/']) {
    const { code, error } = await elsewhere.tool('import', file, '--hosted', hosted);
    assert.deepEqual([code, error], [0, '']);
  }
  const cache = await elsewhere.serve();
  await assertServed(cache.hostedUrl, 'team/tool', '2.0', single);
  await assertServed(cache.hostedUrl, 'mirror/origin.test/lib/single', '1.0', single);
  const referrers = await rawFetch(`${cache.hostedUrl}/v2/team/tool/referrers/${single.manifest.digest}`);
  const { manifests } = JSON.parse(referrers.body.toString()) as { manifests: { digest: string }[] };
  assert.deepEqual(
    manifests.map(({ digest }) => digest),
    [signature.manifest.digest],
  );
});

/** Writes an archive as somebody else might. */
async function writeArchive(path: string, files: readonly (readonly [name: string, bytes: Buffer | string])[]) {
  const parts: Buffer[] = [];
  const tar = new TarWriter(async (bytes) => void parts.push(Buffer.from(bytes)));
  for (const [name, content] of files) {
    const bytes = Buffer.from(content);
    await tar.file(name, bytes.length, [bytes]);
  }
  await tar.end();
  writeFileSync(path, Buffer.concat(parts));
}

const layout = ['oci-layout', '{"imageLayoutVersion":"1.0.0"}'] as const;
const blobFile = (bytes: Buffer, digest = digestOf(bytes)) => [`blobs/sha256/${digest.slice(7)}`, bytes] as const;
const indexOf = (image: TestImage, annotations: object = {}) => {
  const { digest, mediaType, bytes } = image.manifest;
  return [
    'index.json',
    JSON.stringify({ manifests: [{ digest, mediaType, size: bytes.length, annotations }] }),
  ] as const;
};
const filesOf = (image: TestImage) => [image.manifest, ...image.blobs].map(({ bytes }) => blobFile(bytes));

test('an archive of somebody else is imported in whatever order it is, under the name that is given', async (t) => {
  const elsewhere = setUpElsewhere(t);
  const file = join(elsewhere.folder, 'other.tar');
  await writeArchive(file, [
    ...filesOf(single).toReversed(),
    indexOf(single, { 'org.opencontainers.image.ref.name': 'latest' }),
    layout,
  ]);
  const nameless = await elsewhere.tool('import', file);
  assert.match(
    nameless.error,
    /^Cannot tell what sha256:.*: the archive has no full name for it, only "latest"; give one with --name\n$/,
  );
  const stranger = await elsewhere.tool('import', file, '--name', 'elsewhere.example/x:1');
  assert.match(stranger.error, /no upstream is called elsewhere\.example; configure it, or use --hosted/);
  assert.equal((await elsewhere.tool('import', file, '--name', 'lib/renamed:7', '--no-pin')).code, 0);
  assert.equal((await elsewhere.tool('pin')).out, '');
  const cache = await elsewhere.serve();
  await assertServed(cache.url, 'lib/renamed', '7', single);
});

test('what is wrong with an archive is told, and nothing of it is stored', async (t) => {
  const elsewhere = setUpElsewhere(t);
  const file = join(elsewhere.folder, 'wrong.tar');
  const name = { 'io.containerd.image.name': 'origin.test/lib/single:1.0' };
  const [config, layer] = single.blobs;
  const manifest = blobFile(single.manifest.bytes);
  const wrongLayer = blobFile(Buffer.alloc(layer!.bytes.length), layer!.digest);
  const cases: [files: Parameters<typeof writeArchive>[1], problem: RegExp][] = [
    [[], /no image layout of OCI/],
    [[['manifest.json', '[]']], /`docker save` before version 25.*skopeo copy docker-archive/],
    [[layout, ['index.json', '{}']], /index\.json has no manifests/],
    [[layout, ['index.json', '{"manifests":[]}']], /the archive lists no image/],
    [[['oci-layout', '{}'], indexOf(single, name)], /oci-layout is of a version/],
    [[layout, indexOf(single, name), indexOf(single, name)], /two files named index\.json/],
    [[layout, indexOf(single, name)], /its manifest sha256:.* is not there/],
    [[layout, indexOf(single, name), manifest, blobFile(config!.bytes)], /its blob sha256:.* is not there/],
    [
      [layout, indexOf(single, name), manifest, blobFile(config!.bytes), wrongLayer],
      /blob sha256:.* is not what its name says/,
    ],
    [[layout, indexOf(single, name), blobFile(Buffer.from('{}'), single.manifest.digest)], /is not what its name says/],
  ];
  for (const [files, problem] of cases) {
    await writeArchive(file, files);
    const { code, out, error } = await elsewhere.tool('import', file);
    assert.equal(code, 1);
    assert.match(out + error, problem);
  }
  writeFileSync(file, Buffer.from('1f8b0800', 'hex'));
  assert.match((await elsewhere.tool('import', file)).error, /compressed with gzip, run gunzip on it first/);
  assert.match((await elsewhere.tool('import', join(elsewhere.folder, 'none'))).error, /^Cannot read .*ENOENT/);
  assert.match(
    (await elsewhere.tool('import', fileURLToPath(import.meta.url))).error,
    /^".*archive\.test\.ts": .*it is no tar file; `entrepot export`/,
  );
  const cache = await elsewhere.serve();
  assert.equal((await rawFetch(`${cache.url}/v2/lib/single/manifests/1.0`)).status, 404);
  assert.equal((await rawFetch(`${cache.url}/v2/lib/single/blobs/${layer!.digest}`)).status, 404);
});

test('an image is imported beside a running server, which serves it', async (t) => {
  const { tool, file } = await setUp(t);
  await tool('warm', 'lib/single:1.0');
  await tool('export', 'lib/single:1.0', '-o', file);
  const elsewhere = setUpElsewhere(t);
  const clock = new ManualClock();
  const cache = await elsewhere.serve({ clock });
  assert.equal((await rawFetch(`${cache.url}/v2/lib/single/manifests/1.0`)).status, 404);
  assert.equal((await elsewhere.tool('import', file)).code, 0);
  clock.advance(1_000); // it looks whether another process changed the index
  for (let tries = 0; tries < 100; tries++) {
    if ((await rawFetch(`${cache.url}/v2/lib/single/manifests/1.0`)).status === 200) break;
  }
  await assertServed(cache.url, 'lib/single', '1.0', single);
});

test('an image that there is no room for is told, and what was there stays', async (t) => {
  const { tool, file } = await setUp(t);
  await tool('warm', 'lib/app:1.0', '--platform', 'linux/amd64');
  await tool('export', 'lib/app:1.0', '-o', file);
  const elsewhere = setUpElsewhere(t);
  const { code, out } = await elsewhere.tool('import', file, '--set', 'cache.maxBytes=1MB');
  assert.equal(code, 1);
  assert.match(
    out,
    /^Failed .*: Cannot store sha256:.*: there is no room for its 2500000 bytes; raise cache\.maxBytes/m,
  );
});
