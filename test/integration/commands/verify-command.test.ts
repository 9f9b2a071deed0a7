import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Reference, Repository } from '../../../src/oci/reference.ts';
import { openToolStorage } from '../../../src/storage.ts';
import { runCommandLine } from '../../support/command/run-tool.ts';
import { makeImage, makeIndex } from '../../support/content/images.ts';
import { removeIndex, storedPath } from '../../support/disk/store-files.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { assertWhole } from '../../support/http/body-reader.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';

const image = makeImage({ seed: 'image', layers: [100_000, 100_001] });
const index = makeIndex([image]);
const contents = [index.manifest, image.manifest, ...image.blobs];
const [config, layer, otherLayer] = image.blobs.map(({ digest }) => digest);
const totalBytes = contents.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** Runs `entrepot verify` on a data folder; `said` is told of each line as it is written. */
function verify(data: string, flags: readonly string[] = [], said: (text: string) => void = () => {}) {
  return runCommandLine(['verify', '--data', data, ...flags], { said });
}

async function verifyAsJson(data: string, ...flags: string[]) {
  const { code, out } = await verify(data, ['--json', ...flags]);
  const { seconds, ...report } = JSON.parse(out);
  assert.ok(seconds >= 0);
  return { code, ...report };
}

/** A cache that has pulled an image, by its tag and platform, as a client does. */
async function stageWithImage(t: TestContext): Promise<Stage> {
  const stage = await setStage(t);
  stage.origin.content.push(repository, index, 'latest');
  await pull(stage);
  await stage.log.waitFor('blob stored', image.blobs.length);
  stage.origin.requests.clear();
  return stage;
}

async function pull(stage: Stage): Promise<void> {
  assert.deepEqual((await rawFetch(stage.manifestUrl('latest'))).body, index.manifest.bytes);
  assert.deepEqual((await rawFetch(stage.manifestUrl(image.manifest.digest))).body, image.manifest.bytes);
  for (const { digest } of image.blobs) assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
}

function flip(data: string, digest: Digest): void {
  const path = storedPath(data, digest);
  const bytes = readFileSync(path);
  bytes[9]! ^= 1;
  writeFileSync(path, bytes);
}

function namesOf(data: string, pattern: RegExp): string[] {
  return readdirSync(data).filter((name) => pattern.test(name));
}

const nothingFound = { code: 0, contents: 5, bytes: totalBytes, repaired: 0, left: 0, findings: [] };

test('a store in which all is right ends with 0, beside a running server and without one', async (t) => {
  const stage = await stageWithImage(t);
  for (const act of [() => {}, stage.stop]) {
    await act();
    assert.deepEqual(await verifyAsJson(stage.data), nothingFound);
    const { code, out, error } = await verify(stage.data);
    assert.match(out, /^5 contents are right, 20\d(\.\d)? kB read in \ds: nothing is wrong\n$/);
    assert.deepEqual([code, error], [0, '']);
  }
});

test('what is wrong ends with 1 until it is put right; the server then fetches that, and nothing else', async (t) => {
  const stage = await stageWithImage(t);
  flip(stage.data, layer!);
  rmSync(storedPath(stage.data, otherLayer!));
  const junk = join(stage.data, 'blobs-v1', 'junk');
  writeFileSync(junk, 'left');
  const lines = [
    `damaged: ${layer}, 100000 bytes, which are sha256:`,
    `missing: ${otherLayer}, the index has it with 100001 bytes, the store does not`,
  ].sort((a, b) => (a.slice(9) < b.slice(9) ? -1 : 1));
  const found = await verify(stage.data);
  assert.equal(found.code, 1);
  for (const line of lines) assert.ok(found.out.includes(line), found.out);
  assert.ok(found.out.includes(`leftover: ${junk}, 4 bytes that nobody looks for\n`), found.out);
  assert.match(found.out, /: 1 damaged, 1 missing, 1 leftover\n$/);
  assert.equal(found.error, 'Not put right: 3; run it again with --repair\n');
  assert.ok(existsSync(junk));

  const repaired = await verify(stage.data, ['--repair']);
  assert.deepEqual([repaired.code, repaired.error], [0, '']);
  assert.match(repaired.out, /; dropped, the next request fetches it unless it is hosted\n/);
  assert.equal(existsSync(junk), false);
  assert.deepEqual(await verifyAsJson(stage.data), {
    ...nothingFound,
    contents: 3,
    bytes: totalBytes - 200_001,
  });
  await pull(stage);
  await stage.log.waitFor('blob stored', 5);
  assert.deepEqual(
    stage.origin.requests.lines(),
    [layer!, otherLayer!].map((digest) => `GET /v2/${repository}/blobs/${shorten(digest)}`),
  );
  assert.deepEqual(await verifyAsJson(stage.data), nothingFound);
});

test('--json tells everything that was found, and what was put right', async (t) => {
  const stage = await stageWithImage(t);
  await stage.stop();
  truncateSync(storedPath(stage.data, config!), 0);
  const empty = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  const finding = { kind: 'damaged', digest: config, sizeBytes: 0, found: empty };
  const rest = { contents: 4, bytes: totalBytes - image.blobs[0]!.bytes.length };
  assert.deepEqual(await verifyAsJson(stage.data), {
    ...{ code: 1, ...rest, repaired: 0, left: 1 },
    findings: [{ ...finding, repaired: false }],
  });
  assert.deepEqual(await verifyAsJson(stage.data, '--repair'), {
    ...{ code: 0, ...rest, repaired: 1, left: 0 },
    findings: [{ ...finding, repaired: true }],
  });
  assert.deepEqual(await verifyAsJson(stage.data), { ...nothingFound, ...rest });
});

/** What upstream is asked after the index was lost: what each repository has, and never for the bytes of a blob. */
const afterRebuild = [
  'GET /v2/',
  `GET /v2/${repository}/manifests/latest`,
  `GET /v2/${repository}/manifests/${shorten(image.manifest.digest)}`,
  ...image.blobs.map(({ digest }) => `HEAD /v2/${repository}/blobs/${shorten(digest)}`),
];

test('an index that was made anew has all contents; upstream is asked what a repository has, and for no blob', async (t) => {
  const stage = await stageWithImage(t);
  await stage.restart(async () => {
    const { code, out } = await verify(stage.data, ['--rebuild']);
    assert.equal(code, 0);
    assert.match(
      out,
      /^5 contents are right, .*: nothing is wrong\nThe index was made anew\nThe old index is kept as /,
    );
    const [kept, ...more] = namesOf(stage.data, /\.replaced-[^-]+$/);
    assert.ok(out.endsWith(`${join(stage.data, kept!)}\n`));
    assert.deepEqual(more, []);
    assert.deepEqual(await verifyAsJson(stage.data), nothingFound);
    const storage = await openToolStorage(stage.data, { now: Date.now });
    const references = await storage.index.referencesOf(image.manifest.digest);
    await storage.close();
    assert.deepEqual(references.map(({ digest }) => digest).sort(), [config, layer, otherLayer].sort());
  });
  await pull(stage);
  assert.deepEqual(stage.origin.requests.lines(), afterRebuild);
  await pull(stage);
  assert.deepEqual(stage.origin.requests.lines(), afterRebuild);
  assert.equal(stage.log.named('index refilled from the store').length, 0);
});

test('an index that is lost or garbage is filled again by the server, with the same consequences', async (t) => {
  for (const garbage of [undefined, 'this is no database, and it is long enough to be taken for one']) {
    const stage = await stageWithImage(t);
    await stage.restart(() => {
      removeIndex(stage.data);
      if (garbage !== undefined) writeFileSync(join(stage.data, 'index-v1.sqlite'), garbage);
    });
    const { facts } = await stage.log.waitFor('index refilled from the store');
    assert.deepEqual(facts, { contents: 5, bytes: totalBytes });
    await pull(stage);
    assert.deepEqual(stage.origin.requests.lines(), afterRebuild);
    assert.deepEqual(await verifyAsJson(stage.data), nothingFound);
    assert.equal(namesOf(stage.data, /\.broken-[^-]+$/).length, garbage === undefined ? 0 : 1);
  }
});

test('an index that is being rebuilt drops what is damaged, and takes pins along', async (t) => {
  const stage = await stageWithImage(t);
  await stage.stop();
  const pin = { registry: 'origin.test', repository: repository as Repository, reference: 'latest' as Reference };
  const before = await openToolStorage(stage.data, { now: Date.now });
  await before.index.pin(pin, pin.reference);
  await before.close();
  flip(stage.data, layer!);
  const { code, repaired, left, findings } = await verifyAsJson(stage.data, '--rebuild');
  assert.deepEqual([code, repaired, left], [0, 1, 0]);
  assert.equal(findings[0].digest, layer);
  assert.equal(existsSync(storedPath(stage.data, layer!)), false);
  const after = await openToolStorage(stage.data, { now: Date.now });
  assert.deepEqual(await after.index.listPins(), [pin]);
  await after.close();
});

test('--rebuild beside a running server is refused, and changes nothing', async (t) => {
  const stage = await stageWithImage(t);
  const { code, error } = await verify(stage.data, ['--rebuild']);
  assert.equal(code, 1);
  assert.match(error, /^Cannot make the index ".*" anew: a server is using it, stop that first\n$/);
  assert.deepEqual(namesOf(stage.data, /replaced|broken/), []);
  await pull(stage);
  assert.deepEqual(stage.origin.requests.lines(), []);
});

test('a damaged index is told of and left, and --rebuild makes it anew', async (t) => {
  const stage = await stageWithImage(t);
  await stage.stop();
  removeIndex(stage.data);
  const garbage = 'this is no database, and it is long enough to be taken for one';
  writeFileSync(join(stage.data, 'index-v1.sqlite'), garbage);
  for (const flags of [[], ['--repair']]) {
    const { code, error } = await verify(stage.data, flags);
    assert.equal(code, 1);
    assert.match(error, /^Cannot open the index ".*": it is damaged; `entrepot verify --rebuild` makes it/);
    assert.equal(readFileSync(join(stage.data, 'index-v1.sqlite'), 'utf8'), garbage);
  }
  assert.equal((await verify(stage.data, ['--rebuild'])).code, 0);
  assert.deepEqual(await verifyAsJson(stage.data), nothingFound);
  assert.equal(readFileSync(join(stage.data, namesOf(stage.data, /replaced/)[0]!), 'utf8'), garbage);
});

test('a folder in which nothing is kept is refused, and stays empty', async (t) => {
  const folder = tmpDir(t);
  for (const flags of [[], ['--repair'], ['--rebuild']]) {
    const { code, error } = await verify(folder, flags);
    assert.equal(code, 1);
    assert.match(error, /^Cannot look into ".*": nothing is kept there, name the folder with --data\n$/);
    assert.deepEqual(readdirSync(folder), []);
  }
});

test('SIGINT ends it with 1, in between', async (t) => {
  const stage = await stageWithImage(t);
  await stage.stop();
  for (const { digest } of contents) flip(stage.data, digest);
  const listeners = process.listenerCount('SIGINT');
  let found = 0;
  const { code, out, error } = await verify(stage.data, ['--repair'], () => {
    if (++found === 1) process.emit('SIGINT');
  });
  assert.equal(code, 1);
  assert.match(error, /^Stopped: .* were read\n$/);
  assert.ok(out.split('\n').length <= 5, out); // those that were being read at that moment, at most
  assert.equal(process.listenerCount('SIGINT'), listeners);
});
