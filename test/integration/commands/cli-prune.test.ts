import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import { hexOf } from '../../../src/oci/digest.ts';
import { parseRepository, parseTag } from '../../../src/oci/reference.ts';
import { runTool } from '../../support/command/run-tool.ts';
import { makeImage, type TestImage } from '../../support/content/images.ts';
import { storedBlobs } from '../../support/disk/store-files.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { type Stage, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

const dayMs = 24 * 3_600_000;

// The first two share their first layer; the third is pinned.
const layers = (own: number) => [50_000, own];
const [old, middle, pinned, recent] = [
  makeImage({ seed: 'shared', layers: layers(20_000), architecture: 'amd64' }),
  makeImage({ seed: 'shared', layers: layers(20_001), architecture: 'arm64' }),
  makeImage({ seed: 'pinned', layers: layers(30_000) }),
  makeImage({ seed: 'recent', layers: layers(40_000) }),
] as const;
const pulledDaysAgo: readonly (readonly [TestImage, string, number])[] = [
  [old, 'old/app', 40],
  [middle, 'middle/app', 20],
  [pinned, 'pinned/app', 50],
  [recent, 'recent/app', 1],
];

/** A cache whose images were pulled some days ago, by the clock of the machine, which the tool goes by. */
async function pulledStage(t: TestContext): Promise<Stage> {
  const clock = new ManualClock(Date.now() - 60 * dayMs);
  const stage = await setStage(t, { cache: { clock, tagTtlMs: 365 * dayMs } });
  let stored = 0;
  const known = new Set<string>();
  for (const [image, name, daysAgo] of [...pulledDaysAgo].sort(([, , a], [, , b]) => b - a)) {
    clock.advance(Date.now() - daysAgo * dayMs - clock.now());
    stage.origin.content.push(name, image, 'v1');
    await rawFetch(stage.manifestUrl('v1', name));
    for (const { digest } of image.blobs) {
      await rawFetch(stage.blobUrl(digest, name));
      if (!known.has(digest)) await stage.log.waitFor('blob stored', ++stored);
      known.add(digest);
    }
  }
  await stage.restart(); // what was pulled when is written
  const index = openSqliteIndex(join(stage.data, 'index-v1.sqlite'));
  await index.pin({ registry: 'origin.test', repository: parseRepository('pinned/app') }, parseTag('v1'));
  await index.close();
  return stage;
}

const settings = {
  upstreams: { 'origin.test': { url: 'http://127.0.0.1:1' } },
  doors: { registry: { default: 'origin.test' } },
};

function run({ data: folder }: Pick<Stage, 'data'>, ...args: string[]) {
  return runTool({ folder, settings }, 'prune', ...args);
}

async function runJson(stage: Pick<Stage, 'data'>, ...args: string[]) {
  const { code, out, error } = await run(stage, ...args, '--json');
  assert.deepEqual([code, error], [0, '']);
  return JSON.parse(out);
}

const contentsOf = (images: readonly TestImage[]) =>
  new Set(images.flatMap(({ manifest, blobs }) => [manifest.digest, ...blobs.map(({ digest }) => digest)]));

function assertLeft({ data }: Stage, images: readonly TestImage[]): void {
  assert.deepEqual(storedBlobs(data), [...contentsOf(images)].map(hexOf).sort());
}

test('what was not pulled for so long goes, but what is pinned, and what others share', async (t) => {
  const stage = await pulledStage(t);
  const would = await run(stage, '--older-than', '30d', '--dry-run');
  assert.deepEqual([would.code, would.error], [0, '']);
  assert.match(
    would.out,
    /^Would remove origin\.test\/old\/app:v1\nWould free [\d.]+ kB: 3 contents; [\d.]+ kB would be left\n$/,
  );
  assertLeft(stage, [old, middle, pinned, recent]);
  const { out } = await run(stage, '--older-than', '30d');
  assert.match(out, /^Removed origin\.test\/old\/app:v1\nFreed [\d.]+ kB: 3 contents; [\d.]+ kB are left\n$/);
  assertLeft(stage, [middle, pinned, recent]);
  assert.match((await run(stage, '--older-than', '30d')).out, /^Freed 0 B: 0 contents; /);
});

test('as much goes as a size asks for, in the order of the last pull, and a dry run tells the same', async (t) => {
  const stage = await pulledStage(t);
  const toSize = ['--to-size', '200kB'];
  const would = await runJson(stage, ...toSize, '--dry-run');
  const did = await runJson(stage, ...toSize);
  assert.deepEqual(would, { ...did, dryRun: true });
  assert.deepEqual(
    did.images.map(({ repository, tags }: Record<string, string>) => [repository, tags]),
    [
      ['middle/app', ['v1']],
      ['old/app', ['v1']],
    ],
  );
  assert.ok(did.leftBytes <= 200_000 && did.leftBytes > 100_000);
  const left = new Set(storedBlobs(stage.data));
  assert.equal(left.size, contentsOf([old, middle, pinned, recent]).size - did.contents);
  for (const digest of contentsOf([pinned, recent])) assert.ok(left.has(hexOf(digest)));
});

test('a pattern leaves alone what it does not mean', async (t) => {
  const stage = await pulledStage(t);
  const { images } = await runJson(stage, '--older-than', '10d', 'middle/*');
  assert.deepEqual(images.length, 1);
  assertLeft(stage, [old, pinned, recent]);
});

test('when not enough can go, it says so, and ends with 1', async (t) => {
  const stage = await pulledStage(t);
  const { code, out, error } = await run(stage, '--to-size', '0');
  assert.equal(code, 1);
  assert.match(out, /Removed origin\.test\/recent\/app:v1\n/);
  assert.match(error, /^Not enough can go: [\d.]+ kB are left, not 0 B; the rest is pinned, new, or not meant\n$/);
  assertLeft(stage, [pinned]);
});

test('a server beside asks for what was pruned again, and works without one, too', async (t) => {
  const stage = await pulledStage(t);
  await runJson(stage, '--older-than', '30d');
  const got = await rawFetch(stage.manifestUrl(old.manifest.digest, 'old/app'));
  assert.deepEqual(got.body, old.manifest.bytes);
  for (const { digest, bytes } of old.blobs) {
    assert.deepEqual((await rawFetch(stage.blobUrl(digest, 'old/app'))).body, bytes);
  }
  await stage.stop();
  const { images } = await runJson(stage, '--older-than', '10d', 'middle/*');
  assert.equal(images.length, 1);
});

test('what is to go has to be said, and has to be a time or a size', async (t) => {
  const stage = await pulledStage(t);
  const none = await run(stage, 'old/*');
  assert.deepEqual([none.code, none.out], [2, '']);
  assert.match(
    none.error,
    /^Cannot tell what is to go: give --older-than or --to-size; `entrepot rm` removes by name\n$/,
  );
  for (const [args, expected] of [
    [['--older-than', '30'], /--older-than.*argument '30' is invalid.*expected a duration/],
    [['--to-size', 'lots'], /--to-size.*argument 'lots' is invalid.*expected a size/],
  ] as const) {
    const { code, error } = await run(stage, ...args);
    assert.equal(code, 2);
    assert.match(error, expected);
  }
});
