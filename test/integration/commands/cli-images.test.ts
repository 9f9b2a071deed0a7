import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import { parseRepository, parseTag } from '../../../src/oci/reference.ts';
import { runTool } from '../../support/command/run-tool.ts';
import { makeImage, makeIndex, type TestImage } from '../../support/content/images.ts';
import { spoolFolder, storedBlobs, storedPath } from '../../support/disk/store-files.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { type Stage, setStage } from '../../support/stages/stage.ts';

// Images of one seed share their layers, and have a configuration each.
const [amd64, arm64, riscv] = ['amd64', 'arm64', 'riscv64'].map((architecture) =>
  makeImage({ seed: 'app', layers: [30_000, 2000], architecture }),
) as [TestImage, TestImage, TestImage];
const app = makeIndex([amd64, arm64, riscv]);
const own = makeImage({ seed: 'own', layers: [5000] });
const layersBytes = 32_000;
const key = { registry: 'origin.test', repository: parseRepository('lib/app') };

const sizeOf = (image: TestImage): number =>
  image.manifest.bytes.length + image.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);

const settings = {
  upstreams: { 'origin.test': { url: 'http://127.0.0.1:1' } },
  doors: { registry: { default: 'origin.test' } },
};

/** Runs a command on the data of a stage. */
function run({ data: folder }: Pick<Stage, 'data'>, ...args: string[]) {
  return runTool({ folder, settings }, ...args);
}

async function runJson(stage: Pick<Stage, 'data'>, ...args: string[]) {
  const { code, out, error } = await run(stage, ...args, '--json');
  assert.deepEqual([code, error], [0, '']);
  return JSON.parse(out);
}

/** A cache that has pulled an index with two of its three platforms, one of them by a tag of its own in another place. */
async function pulledStage(t: TestContext): Promise<Stage> {
  const stage = await setStage(t);
  const { content } = stage.origin;
  content.push('lib/app', app, '1.0');
  content.tag('lib/app', 'latest', app.manifest.digest);
  content.push('other/app', amd64, 'edge');
  content.push('other/own', own, 'v1');
  for (const tag of ['1.0', 'latest']) await rawFetch(stage.manifestUrl(tag));
  await rawFetch(stage.manifestUrl('edge', 'other/app'));
  await rawFetch(stage.manifestUrl('v1', 'other/own'));
  for (const { manifest } of [amd64, arm64]) await rawFetch(stage.manifestUrl(manifest.digest));
  let stored = 0;
  const blobs = new Map([...amd64.blobs, ...arm64.blobs].map((blob) => [blob.digest, 'lib/app']));
  for (const { digest } of own.blobs) blobs.set(digest, 'other/own');
  for (const [digest, repository] of blobs) {
    await rawFetch(stage.blobUrl(digest, repository));
    await stage.log.waitFor('blob stored', ++stored);
  }
  return stage;
}

const names = (images: { registry: string; repository: string; tags: string[] }[]) =>
  images.map(({ registry, repository, tags }) => `${registry}/${repository}:${tags}`);

test('ls lists images with their platforms and what they share, beside a server and without one', async (t) => {
  const stage = await pulledStage(t);
  const beside = await runJson(stage, 'ls');
  assert.deepEqual(names(beside), [
    'origin.test/lib/app:1.0,latest',
    'origin.test/other/app:edge',
    'origin.test/other/own:v1',
  ]);
  const [listed, edge, alone] = beside;
  assert.deepEqual(listed.platforms, [
    { platform: 'linux/amd64', stored: true },
    { platform: 'linux/arm64', stored: true },
    { platform: 'linux/riscv64', stored: false },
  ]);
  assert.deepEqual(edge.platforms, [{ platform: 'linux/amd64', stored: true }]);
  assert.equal(listed.digest, app.manifest.digest);
  assert.equal(listed.sizeBytes, app.manifest.bytes.length + sizeOf(amd64) + sizeOf(arm64) - layersBytes);
  assert.equal(listed.sharedBytes, sizeOf(amd64));
  assert.deepEqual([edge.sizeBytes, edge.ownBytes], [sizeOf(amd64), 0]);
  assert.deepEqual([alone.sizeBytes, alone.ownBytes], [sizeOf(own), sizeOf(own)]);
  await stage.stop();
  const without = await runJson(stage, 'ls');
  const still = ({ lastPull, hits, ...rest }: Record<string, unknown>) => rest;
  assert.deepEqual(without.map(still), beside.map(still));
});

test('ls prints a table, of those images alone that are asked for', async (t) => {
  const stage = await pulledStage(t);
  const { out } = await run(stage, 'ls', 'lib/*', '*:v*');
  assert.deepEqual(
    out.split('\n').map((line) => line.split(/ {2,}/).slice(0, 3)),
    [
      ['REPOSITORY', 'TAGS', 'PLATFORMS'],
      ['origin.test/lib/app', '1.0, latest', 'linux/amd64, linux/arm64 (1 not here)'],
      ['origin.test/other/own', 'v1', 'linux/amd64'],
      [''],
    ],
  );
  assert.deepEqual(await run(stage, 'ls', 'nothing'), {
    code: 0,
    out: '',
    error: 'No image that is here has such a name\n',
  });
});

test('du tells what is stored, by registry and repository, and what is written or was left', async (t) => {
  const stage = await pulledStage(t);
  await stage.stop();
  writeFileSync(join(spoolFolder(stage.data), `${'0'.repeat(64)}.kept`), 'partial');
  writeFileSync(join(spoolFolder(stage.data), 'notes.txt'), 'not of the store');
  const usage = await runJson(stage, 'du');
  const total = app.manifest.bytes.length + sizeOf(amd64) + sizeOf(arm64) - layersBytes + sizeOf(own);
  assert.deepEqual(usage.total, { contents: 10, sizeBytes: total });
  assert.deepEqual(usage.unused, { contents: 0, sizeBytes: 0 });
  assert.deepEqual(usage.partials, { files: 1, sizeBytes: 7 });
  assert(usage.freeBytes > 0);
  const [registry] = usage.registries;
  assert.deepEqual([registry.registry, registry.images, registry.sizeBytes], ['origin.test', 3, total]);
  assert.deepEqual(
    registry.repositories.map(({ repository, ownBytes, sharedBytes }: Record<string, unknown>) => [
      repository,
      ownBytes,
      sharedBytes,
    ]),
    [
      ['lib/app', total - sizeOf(own) - sizeOf(amd64), sizeOf(amd64)],
      ['other/app', 0, sizeOf(amd64)],
      ['other/own', sizeOf(own), 0],
    ],
  );
  const { out } = await run(stage, 'du');
  assert.match(out, /^Stored: +\S+ kB of at most .*, 10 contents\n/);
  assert.match(out, /\nPartial downloads: +7 B, 1 file\n/);
  assert.match(out, /\n {2}other\/own +1 +/);
});

test('rm takes a tag, and only with the last one what no other image has', async (t) => {
  const stage = await pulledStage(t);
  const before = storedBlobs(stage.data);
  assert.deepEqual(await run(stage, 'rm', 'lib/app:1.0'), {
    code: 0,
    out: 'Removed origin.test/lib/app:1.0\nFreed 0 B: 0 contents that no other image has\n',
    error: '',
  });
  assert.deepEqual(storedBlobs(stage.data), before);

  const dry = await run(stage, 'rm', 'lib/app', '--dry-run');
  assert.match(dry.out, /^Would remove origin\.test\/lib\/app:latest\nWould free \S+ \S+: 3 contents that/);
  assert.deepEqual(names(await runJson(stage, 'ls', 'lib/app')), ['origin.test/lib/app:latest']);
  const real = await run(stage, 'rm', 'lib/app');
  assert.equal(real.out, dry.out.replace('Would remove', 'Removed').replace('Would free', 'Freed'));
  const gone = [app.manifest, arm64.manifest, arm64.blobs[0]!];
  for (const { digest } of gone) assert.equal(existsSync(storedPath(stage.data, digest)), false);
  assert.equal(storedBlobs(stage.data).length, before.length - gone.length);
  assert.deepEqual(names(await runJson(stage, 'ls')), ['origin.test/other/app:edge', 'origin.test/other/own:v1']);
});

test('a server beside which an image is removed serves the others, and fetches this one again', async (t) => {
  const stage = await pulledStage(t);
  assert.equal((await run(stage, 'rm', 'other/own:v1')).code, 0);
  stage.origin.requests.clear();
  for (const { digest, bytes } of amd64.blobs) {
    assert.deepEqual((await rawFetch(stage.blobUrl(digest))).body, bytes);
  }
  for (const { digest, bytes } of own.blobs) {
    assert.deepEqual((await rawFetch(stage.blobUrl(digest, 'other/own'))).body, bytes);
  }
  const fetched = own.blobs.map(({ digest }) => `GET /v2/other/own/blobs/${shorten(digest)}`);
  assert.deepEqual(stage.origin.requests.lines(), fetched);
});

test('a pinned image is refused without --force, by tag and by digest, and with it the pin goes', async (t) => {
  const stage = await pulledStage(t);
  const digest = `other/own@${own.manifest.digest}`;
  assert.deepEqual(await run(stage, 'pin', 'other/own:v1', digest), {
    code: 0,
    out: `Pinned origin.test/other/own:v1\nPinned origin.test/${digest}\n`,
    error: '',
  });
  assert.deepEqual(
    (await runJson(stage, 'ls')).map(({ pinned }: { pinned: boolean }) => pinned),
    [false, false, true],
  );
  const { code, out, error } = await run(stage, 'rm', 'other/own:v1');
  assert.deepEqual([code, out], [1, '']);
  assert.match(error, /^Pinned: origin\.test\/other\/own@sha256:\w+, origin\.test\/other\/own:v1; take the pin away/);
  assert.equal((await runJson(stage, 'ls')).length, 3);
  assert.equal((await run(stage, 'rm', 'other/own:v1', '--force')).code, 0);
  for (const { digest: content } of [own.manifest, ...own.blobs]) {
    assert.equal(existsSync(storedPath(stage.data, content)), false);
  }
  assert.deepEqual(await run(stage, 'pin'), { code: 0, out: '', error: 'Nothing is pinned\n' });
});

test('what is pinned by digest stays when an image that has it goes', async (t) => {
  const stage = await pulledStage(t);
  await run(stage, 'pin', `other/app@${arm64.manifest.digest}`);
  assert.equal((await run(stage, 'rm', 'lib/app:1.0', 'lib/app:latest')).code, 0);
  assert.equal(existsSync(storedPath(stage.data, app.manifest.digest)), false);
  for (const { digest } of [arm64.manifest, ...arm64.blobs]) {
    assert.equal(existsSync(storedPath(stage.data, digest)), true);
  }
});

test('an image that is not here can be pinned, and taken from the pins again', async (t) => {
  const stage = await pulledStage(t);
  const pinned = await run(stage, 'pin', 'lib/later:2');
  const note = 'Pinned origin.test/lib/later:2; it is not here yet, and will be kept when it was pulled\n';
  assert.deepEqual(pinned, { code: 0, out: note, error: '' });
  assert.equal((await run(stage, 'pin')).out, 'origin.test/lib/later:2\n');
  assert.equal((await run(stage, 'unpin', 'lib/later:2')).out, 'Unpinned origin.test/lib/later:2\n');
  const again = await run(stage, 'unpin', 'lib/later:2');
  assert.deepEqual([again.code, again.out], [1, '']);
  assert.match(again.error, /^Not pinned: origin\.test\/lib\/later:2; /);
});

test('what cannot be done is told, and ends with 1', async (t) => {
  const stage = await pulledStage(t);
  const part = `lib/app@${arm64.manifest.digest}`;
  const cases: [string[], RegExp][] = [
    [['rm', 'lib/none'], /^Not here: origin\.test\/lib\/none:latest; `entrepot ls` lists what is\n$/],
    [
      ['rm', part],
      /^Cannot remove origin\.test\/lib\/app@sha256:\w+ alone: it is a part of origin\.test\/lib\/app:1\.0/,
    ],
    [['rm', 'Lib/App'], /^Cannot read the image "Lib\/App": .*expected such as nginx:1\.27/],
    [['pin', 'unknown.example/app'], /^Cannot pin an image of "unknown\.example": no upstream of this name/],
  ];
  for (const [args, expected] of cases) {
    const { code, out, error } = await run(stage, ...args);
    assert.deepEqual([code, out], [1, ''], args.join(' '));
    assert.match(error, expected);
  }
  assert.equal((await run(stage, 'rm')).code, 2);
});

test('a folder in which nothing is kept is an error, and stays as it is', async (t) => {
  const data = tmpDir(t);
  for (const args of [['ls'], ['du'], ['pin', 'a'], ['unpin', 'a'], ['rm', 'a']]) {
    const { code, out, error } = await run({ data }, ...args);
    assert.deepEqual([code, out], [1, '']);
    assert.match(error, /Cannot look into ".*": nothing is kept there, name the folder with --data/);
    assert.equal(existsSync(join(data, 'index-v1.sqlite')), false);
  }
});

test('what an older version stored is read by a tool, and by a server when it starts', async (t) => {
  const stage = await pulledStage(t);
  const file = join(stage.data, 'index-v1.sqlite');
  const forget = async () => {
    const index = openSqliteIndex(file);
    const { sizeBytes } = (await index.getContent(own.manifest.digest))!;
    await index.removeContent(own.manifest.digest);
    await index.putContent(own.manifest.digest, sizeBytes, 1);
    await index.link({ ...key, repository: parseRepository('other/own') }, own.manifest.digest, 'application/x', 1);
    assert.deepEqual(await index.referencesOf(own.manifest.digest), []);
    await index.close();
  };
  const references = async () => {
    const index = openSqliteIndex(file);
    const found = await index.referencesOf(own.manifest.digest);
    await index.close();
    return new Set(found.map(({ digest }) => digest));
  };
  const expected = new Set(own.blobs.map(({ digest }) => digest));
  await stage.restart(forget);
  await stage.stop(); // which waits for it
  assert.deepEqual(await references(), expected);
  await forget();
  assert.equal((await runJson(stage, 'ls', 'other/own'))[0].sizeBytes, sizeOf(own));
  assert.deepEqual(await references(), expected);
});

test('what is pulled is noted with its references, its uses and hits', async (t) => {
  const stage = await pulledStage(t);
  for (let pull = 0; pull < 3; pull++) await rawFetch(stage.manifestUrl('latest'));
  await stage.stop();
  const index = openSqliteIndex(join(stage.data, 'index-v1.sqlite'));
  t.after(() => index.close());
  const entry = await index.getContent(app.manifest.digest);
  assert.equal(entry?.level, 2);
  assert.equal(entry.hits, 3); // that it was fetched under two tags is none
  const layer = await index.getContent(amd64.blobs[1]!.digest);
  assert.deepEqual(new Set(layer?.referencedBy), new Set([amd64.manifest.digest, arm64.manifest.digest]));
  assert.equal(layer?.usedAtMs, entry.usedAtMs);
  assert.equal((await index.getTag(key, parseTag('latest')))?.digest, app.manifest.digest);
});
