import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import { openServerStorage } from '../../../src/storage.ts';
import { systemClock } from '../../../src/util/time/clock.ts';
import { runTool } from '../../support/command/run-tool.ts';
import { makeImage, type TestImage } from '../../support/content/images.ts';
import { writeBlob } from '../../support/disk/kept-store.ts';
import { storedPath } from '../../support/disk/store-files.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { putHostedImage } from '../../support/hosted/hosted-image.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';

const tagged = makeImage({ seed: 'tagged', layers: [3000] });
const untagged = makeImage({ seed: 'untagged', layers: [2000] });
const loose = Buffer.alloc(1000, 'loose');

/** A data folder with an image under a tag, one without, and a loose blob: all of it is old. */
async function setUp(t: TestContext, { isRebuilt = true } = {}): Promise<string> {
  const data = tmpDir(t);
  const storage = await openServerStorage(data, { clock: systemClock, maxPartialBytes: 1, onBroken() {} });
  const { store, index } = storage;
  await putHostedImage(storage, 'team/app', tagged, { tag: 'v1' });
  await putHostedImage(storage, 'team/app', untagged);
  await writeBlob(store, digestOf(loose), loose);
  await index.addBlob(parseRepository('team/app'), digestOf(loose), loose.length, 1);
  if (isRebuilt) await index.markRebuilt();
  await storage.close();
  return data;
}

const settings = { upstreams: { 'origin.test': { url: 'http://127.0.0.1:1' } } };

function run(data: string, ...args: string[]) {
  return runTool({ folder: data, settings }, ...args);
}

const isStored = (data: string, ...images: TestImage[]) =>
  images
    .flatMap(({ manifest, blobs }) => [manifest, ...blobs])
    .every(({ digest }) => existsSync(storedPath(data, digest)));

test('by itself it takes blobs that nothing references, and says how much that frees', async (t) => {
  const data = await setUp(t);
  const foreseen = await run(data, 'gc', '--dry-run');
  const would = 'Would remove 0 manifests and 1 blob of their repositories\n';
  assert.deepEqual(foreseen, {
    code: 0,
    error: '',
    out: `${would}Would free 1 kB: 1 content that no repository has any more\n`,
  });
  assert.ok(existsSync(storedPath(data, digestOf(loose))));
  const { out } = await run(data, 'gc');
  const removed = 'Removed 0 manifests and 1 blob of their repositories\n';
  assert.equal(out, `${removed}Freed 1 kB: 1 content that no repository has any more\n`);
  assert.ok(!existsSync(storedPath(data, digestOf(loose))) && isStored(data, tagged, untagged));
  assert.equal((await run(data, 'verify')).code, 0);
});

test('with --untagged, images without a tag go, too, and come not back with a new index', async (t) => {
  const data = await setUp(t);
  const { out } = await run(data, 'gc', '--untagged', '--json');
  const { dryRun, manifests, blobs, contents, waiting } = JSON.parse(out);
  assert.deepEqual({ dryRun, manifests, blobs, contents }, { dryRun: false, manifests: 1, blobs: 3, contents: 4 });
  assert.deepEqual(waiting, { manifests: 0, blobs: 0 });
  assert.ok(isStored(data, tagged) && !existsSync(storedPath(data, untagged.manifest.digest)));
  assert.equal((await run(data, 'verify', '--rebuild')).code, 0);
  const images = JSON.parse((await run(data, 'ls', '--json')).out) as { tags: string[] }[];
  assert.deepEqual(
    images.map((image) => image.tags),
    [['v1']],
  );
});

test('what is within the grace time stays, and is told', async (t) => {
  const data = await setUp(t);
  const { out } = await run(data, 'gc', '--grace', '100000d', '--untagged');
  assert.match(out, /^Left for the grace time: 1 manifest and 3 blobs$/m);
  assert.ok(isStored(data, tagged, untagged));
});

test('it works beside a running server, which then does not have what is gone', async (t) => {
  const data = await setUp(t);
  const cache = await startTestCache({ data, upstreams: ['http://127.0.0.1:1'] });
  t.after(() => cache.stop());
  assert.equal((await run(data, 'gc', '--untagged')).code, 0);
  assert.ok(isStored(data, tagged) && !existsSync(storedPath(data, untagged.manifest.digest)));
});

test('while the index does not have what was pushed, nothing is removed', async (t) => {
  const data = await setUp(t, { isRebuilt: false });
  const { code, error } = await run(data, 'gc');
  assert.equal(code, 1);
  assert.match(error, /^Cannot remove anything: the index was begun anew/m);
  assert.ok(existsSync(storedPath(data, digestOf(loose))));
});

test('a grace time that cannot be read is refused', async (t) => {
  const { code, error } = await run(await setUp(t), 'gc', '--grace', 'soon');
  assert.equal(code, 2);
  assert.match(error, /expected a duration/);
});
