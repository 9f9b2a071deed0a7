import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { manifestRecordName, tagRecordName } from '../../../src/hosted/records/record.ts';
import { hostedRegistryName } from '../../../src/oci/hosted.ts';
import { parseReference, parseRepository, parseTag } from '../../../src/oci/reference.ts';
import { runTool } from '../../support/command/run-tool.ts';
import { makeImage, makeIndex, type TestImage } from '../../support/content/images.ts';
import { removeIndex, storedPath } from '../../support/disk/store-files.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { manifestsOf, withHostedFolder } from '../../support/hosted/hosted-folder.ts';
import { startTestCache } from '../../support/stages/test-cache.ts';

const name = 'team/app';
const repository = parseRepository(name);
const key = { registry: hostedRegistryName, repository };
const image = makeImage({ seed: 'app', layers: [30_000, 2000] });
const other = makeImage({ seed: 'other', layers: [5000] });
const index = makeIndex([image, other]);
const signature = makeImage({ seed: 'signature', layers: [10], subject: image.manifest });
const everything = [index, image, other, signature];

/** A data folder with an index of two images under a tag, and a signature of one of them. */
async function pushedFolder(t: TestContext): Promise<string> {
  const data = tmpDir(t, { assertClosed: true });
  await withHostedFolder(data, async ({ push, storage }) => {
    await storage.index.markRebuilt(); // as the first start does
    await push(name, index, 'v1');
    await push(name, signature);
  });
  return data;
}

/** What is not there of what was pushed, by what it is. */
function missingOf(data: string): Promise<string[]> {
  return withHostedFolder(data, async ({ storage }) => {
    const manifests = manifestsOf(storage);
    const missing: string[] = [];
    for (const reference of ['v1', ...everything.map(({ manifest }) => manifest.digest)]) {
      await manifests.get(repository, parseReference(reference)).catch(() => missing.push(reference));
    }
    for (const { digest } of everything.flatMap(({ blobs }) => blobs)) {
      if ((await storage.index.getLink(key, digest))?.sizeBytes === undefined) missing.push(digest);
      if ((await storage.store.size(digest)) === undefined) missing.push(`bytes of ${digest}`);
    }
    const referrers = await storage.index.listReferrers(repository, image.manifest.digest, { count: 9 });
    return referrers.length === 1 ? missing : [...missing, 'the referrer'];
  });
}

function run(data: string, ...args: string[]) {
  return runTool({ folder: data, settings: {} }, ...args);
}

function recordPath(data: string, record: string): string {
  const found = join(data, 'records-v1', record);
  assert.ok(existsSync(found), record);
  return found;
}

for (const [what, lose] of [
  ['is gone', removeIndex],
  ['is damaged', (data: string) => writeFileSync(join(data, 'index-v1.sqlite'), 'this is no index'.repeat(1000))],
] as const) {
  test(`a server whose index ${what} has everything that was pushed before its door is open`, async (t) => {
    const data = await pushedFolder(t);
    lose(data);
    const cache = await startTestCache({ data, upstreams: [] });
    await cache.stop();
    const events = cache.events.map(({ event }) => event);
    assert.ok(
      events.indexOf('hosted repositories rebuilt from their records') < events.indexOf('registry door open'),
      events.join(', '),
    );
    assert.deepEqual(await missingOf(data), []);
    assert.equal((await run(data, 'verify')).code, 0);
  });
}

test('a server that has an index does not fill it again', async (t) => {
  const data = await pushedFolder(t);
  const cache = await startTestCache({ data, upstreams: [] });
  await cache.stop();
  assert.ok(!cache.events.some(({ event }) => event.startsWith('hosted') && event !== 'hosted door open'));
});

test('what was pushed is held before room is made in a cache that is too small for it', async (t) => {
  const data = await pushedFolder(t);
  removeIndex(data);
  const cache = await startTestCache({ data, upstreams: [], space: { maxBytes: 1000, graceMs: 0 } });
  await cache.event('registry door open');
  await cache.stop();
  assert.deepEqual(await missingOf(data), []);
  const again = await startTestCache({ data, upstreams: [], space: { maxBytes: 1000, graceMs: 0 } });
  await again.stop();
  assert.deepEqual(await missingOf(data), []);
});

test('verify --rebuild brings everything back that was pushed, and tells what is lost', async (t) => {
  const data = await pushedFolder(t);
  removeIndex(data);
  const { code, out } = await run(data, 'verify', '--rebuild');
  assert.deepEqual([code, out.includes('nothing is wrong')], [0, true], out);
  assert.deepEqual(await missingOf(data), []);

  rmSync(storedPath(data, other.manifest.digest));
  const lossy = await run(data, 'verify', '--rebuild');
  assert.equal(lossy.code, 1);
  assert.match(lossy.out, new RegExp(`lost manifest: ${manifestRecordName(repository, other.manifest.digest)}`));
  assert.ok(existsSync(recordPath(data, manifestRecordName(repository, other.manifest.digest))));
  assert.ok(!(await missingOf(data)).includes('v1'));
});

test('nothing is removed by a tool while the index does not have what was pushed', async (t) => {
  const data = await pushedFolder(t);
  removeIndex(data);
  await withHostedFolder(data, ({ storage }) =>
    storage.index.putContent(image.blobs[0]!.digest, image.blobs[0]!.bytes.length, 1),
  );
  for (const args of [
    ['prune', '--to-size', '0'],
    ['rm', 'nginx'],
  ]) {
    const { code, error } = await run(data, ...args);
    assert.equal(code, 1);
    assert.match(error, /does not have yet what was pushed here/);
  }
  assert.equal((await run(data, 'verify', '--rebuild')).code, 0);
  assert.deepEqual(await missingOf(data), []);
  assert.equal((await run(data, 'prune', '--to-size', '0')).code, 0);
  assert.deepEqual(await missingOf(data), []);
});

test('verify tells of records and index that disagree, and --repair puts them right', async (t) => {
  const data = await pushedFolder(t);
  const [ofTag, ofOther] = [
    tagRecordName(repository, parseTag('v1')),
    manifestRecordName(repository, other.manifest.digest),
  ];
  rmSync(recordPath(data, ofOther));
  await withHostedFolder(data, ({ storage }) => storage.index.untag(repository, parseTag('v1')));
  const told = await run(data, 'verify');
  assert.equal(told.code, 1);
  assert.match(told.out, new RegExp(`unnoted record: ${ofTag}, the index does not have it\n`));
  assert.match(told.out, new RegExp(`wrong record: ${ofOther}, there is none, and the index has it\n`));
  const repaired = await run(data, 'verify', '--repair', '--json');
  assert.equal(repaired.code, 0, repaired.out);
  const { findings } = JSON.parse(repaired.out) as { findings: { kind: string; record: string; repaired: boolean }[] };
  assert.deepEqual(findings.map(({ kind, record, repaired: done }) => [kind, record, done]).sort(), [
    ['unnoted record', ofTag, true],
    ['wrong record', ofOther, true],
  ]);
  assert.equal((await run(data, 'verify')).code, 0);
  assert.deepEqual(await missingOf(data), []);
  assert.deepEqual(JSON.parse(readFileSync(recordPath(data, ofTag), 'utf8')), { digest: index.manifest.digest });
});

test('rm removes a hosted image with its records, and nothing that another image or repository has', async (t) => {
  const data = await pushedFolder(t);
  const elsewhere = parseRepository('team/elsewhere');
  await withHostedFolder(data, async ({ push }) => {
    await push(name, other, 'stays');
    await push('team/elsewhere', image, 'copy');
  });
  const removed = await run(data, 'rm', `localhost:5001/${name}:v1`);
  assert.equal(removed.code, 0, removed.error);
  const isThere = (where: typeof repository, reference: string) =>
    withHostedFolder(data, ({ storage }) =>
      manifestsOf(storage)
        .get(where, parseReference(reference))
        .then(
          () => true,
          () => false,
        ),
    );
  const check = async () => {
    for (const reference of ['v1', index.manifest.digest, image.manifest.digest]) {
      assert.equal(await isThere(repository, reference), false, reference);
    }
    assert.equal(await isThere(repository, 'stays'), true);
    assert.equal(await isThere(repository, signature.manifest.digest), true);
    assert.equal(await isThere(elsewhere, 'copy'), true);
  };
  await check();
  assert.ok(!existsSync(storedPath(data, index.manifest.digest)));
  for (const { digest } of allBlobs(image)) assert.ok(existsSync(storedPath(data, digest)), digest);
  await run(data, 'verify', '--rebuild');
  await check();
  const byDigest = await run(data, 'rm', `${hostedRegistryName}/team/elsewhere@${image.manifest.digest}`);
  assert.equal(byDigest.code, 0, byDigest.error);
  assert.equal(await isThere(elsewhere, 'copy'), false);
  for (const { digest } of allBlobs(image)) assert.ok(!existsSync(storedPath(data, digest)), digest);
});

function allBlobs({ manifest, blobs }: TestImage) {
  return [manifest, ...blobs];
}
