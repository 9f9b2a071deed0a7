import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makeImage, makeIndex } from '../../../test/support/content/images.ts';
import { collectOf } from '../../../test/support/hosted/garbage-rig.ts';
import { HostedStage } from '../../../test/support/stages/hosted-stage.ts';
import { type Digest, digestOf } from '../../oci/digest.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import { parseRepository, parseTag } from '../../oci/reference.ts';
import { manifestRecordName } from '../records/record.ts';
import type { Unsettled } from './collect-garbage.ts';

const image = makeImage({ seed: 'app', layers: [100, 200] });
const other = makeImage({ seed: 'other', layers: [300] });
const index = makeIndex([image, other]);
const signature = makeImage({ seed: 'signature', layers: [10], subject: index.manifest, artifactType: 'a/b' });
const loose = Buffer.from('a blob that no manifest references');
const hourMs = 3_600_000;
const waiting = { manifests: 0, blobs: 0 };

const sizeOf = (...images: readonly (typeof image)[]) =>
  images.reduce(
    (sum, { manifest, blobs }) => sum + manifest.bytes.length + blobs.reduce((all, { bytes }) => all + bytes.length, 0),
    0,
  );

/** An index with a signature, under no tag, and a loose blob: all of it an hour old. */
async function untaggedStage(t: TestContext): Promise<HostedStage> {
  const stage = new HostedStage(t);
  await stage.push(index);
  await stage.push(signature);
  await stage.putBlob(loose);
  stage.clock.advance(hourMs);
  return stage;
}

const isLinked = async (stage: HostedStage, digest: Digest, repository = stage.repository) =>
  (await stage.index.getLink({ registry: hostedRegistryName, repository }, digest)) !== undefined;

test('blobs that nothing references go, from the index and the disk; manifests only when that is said', async (t) => {
  const stage = await untaggedStage(t);
  const before = stage.blobs.blobs.size;
  const expected = { manifests: 0, blobs: 1, contents: 1, sizeBytes: loose.length, waiting };
  assert.deepEqual(await collectOf(stage, { untagged: false }), expected);
  assert.equal(stage.blobs.blobs.size, before - 1);
  assert.equal(await isLinked(stage, digestOf(loose)), false);
  assert.equal(await stage.resolve(index.manifest.digest), index.manifest.digest);
  assert.deepEqual(await collectOf(stage, { untagged: false }), { ...expected, blobs: 0, contents: 0, sizeBytes: 0 });
});

test('an untagged index goes with all that it consists of and what refers to it, and its records', async (t) => {
  const stage = await untaggedStage(t);
  const blobs = image.blobs.length + other.blobs.length + signature.blobs.length + 1;
  const sizeBytes = sizeOf(image, other, signature) + index.manifest.bytes.length + loose.length;
  const expected = { manifests: 4, blobs, contents: blobs + 4, sizeBytes, waiting };
  assert.deepEqual(await collectOf(stage, { dryRun: true }), expected);
  assert.equal(stage.records.records.size, 4, 'a dry run removes nothing');
  assert.deepEqual(await collectOf(stage), expected);
  assert.deepEqual([stage.records.records.size, stage.blobs.blobs.size], [0, 0]);
  assert.deepEqual(await stage.index.hostedTotals(), { repositories: 0, contents: 0, sizeBytes: 0 });
});

test('what goes is held until its record is gone: that would bring it back, or tell of something lost', async (t) => {
  const stage = await untaggedStage(t);
  const digests = [image, other, signature, index].map(({ manifest }) => manifest.digest);
  const held: Promise<boolean | undefined>[] = [];
  stage.beforeChange = (what) => {
    const digest = digests.find((any) => what.endsWith(any.slice('sha256:'.length)));
    if (!what.startsWith('removeRecord') || digest === undefined) return;
    held.push(stage.index.getContent(digest).then((content) => content?.hosted));
  };
  assert.equal((await collectOf(stage)).manifests, digests.length);
  assert.deepEqual(await Promise.all(held), [true, true, true, true]);
  for (const digest of digests) assert.equal(await isLinked(stage, digest), false);
});

test('what is new stays for the grace time, and is counted', async (t) => {
  const stage = await untaggedStage(t);
  const fresh = Buffer.from('just pushed');
  await stage.putBlob(fresh);
  const beforeMs = stage.clock.now() - hourMs / 2;
  const collected = await collectOf(stage, { beforeMs, untagged: false });
  assert.deepEqual([collected.blobs, collected.waiting], [1, { manifests: 0, blobs: 1 }]);
  assert.equal(await isLinked(stage, digestOf(fresh)), true);
});

test('what a client asked for a moment ago stays, as it may push next what needs it', async (t) => {
  const stage = await untaggedStage(t);
  const { digest } = other.manifest;
  await stage.manifests.resolve(stage.repository, digest);
  await collectOf(stage, { beforeMs: stage.clock.now() - hourMs / 2 });
  assert.equal(await stage.resolve(digest), digest);
  assert.equal(await stage.resolve(image.manifest.digest), undefined);
  for (const blob of other.blobs) assert.equal(await isLinked(stage, blob.digest), true);
});

test('content that the cache or another repository has stays, and frees no space', async (t) => {
  const stage = await untaggedStage(t);
  const cached = { registry: 'docker.io', repository: parseRepository('library/alpine') };
  const [first, second] = [image.blobs[0]!, image.blobs[1]!];
  await stage.index.link(cached, first.digest, undefined, 1);
  await stage.index.mountBlob(parseRepository('team/other'), second.digest, stage.clock.now() + hourMs);
  const request = { beforeMs: stage.clock.now() + 1 };
  const foreseen = await collectOf(stage, { ...request, dryRun: true });
  const collected = await collectOf(stage, request);
  assert.deepEqual(foreseen, collected);
  assert.deepEqual(new Set(stage.blobs.blobs.keys()), new Set([first.digest, second.digest]));
  assert.equal((await stage.index.getContent(first.digest))?.hosted, false);
});

test('what was deleted through the door, or left by a crash, goes from the disk the next time', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(image, 'latest');
  await stage.manifests.deleteManifest(stage.repository, image.manifest.digest, new AbortController().signal);
  assert.ok(stage.blobs.blobs.has(image.manifest.digest));
  const foreseen = await collectOf(stage, { dryRun: true });
  assert.deepEqual(foreseen, await collectOf(stage));
  assert.equal(foreseen.sizeBytes, sizeOf(image));
  assert.equal(stage.blobs.blobs.size, 0);
});

test('pinned content stays, though no repository is linked to it', async (t) => {
  const stage = await untaggedStage(t);
  const digest = digestOf(loose);
  await stage.index.pin({ registry: hostedRegistryName, repository: stage.repository }, digest);
  const collected = await collectOf(stage, { untagged: false });
  assert.deepEqual([collected.blobs, collected.contents], [1, 0]);
  assert.ok(stage.blobs.blobs.has(digest));
});

/** Does something at every change that collecting makes, one after the other in runs of their own. */
async function atEachChange(t: TestContext, work: (stage: HostedStage) => Promise<void>): Promise<void> {
  for (let step = 0; ; step++) {
    const stage = await untaggedStage(t);
    const { removeBlob, removeManifest, removeContents, listLetGo } = stage.index;
    let left = step;
    const meanwhile = async () => {
      if (left-- === 0) await work(stage);
    };
    const before =
      <Given extends unknown[], Result>(method: (...given: Given) => Promise<Result>) =>
      async (...given: Given) => {
        await meanwhile();
        return method.apply(stage.index, given);
      };
    Object.assign(stage.index, {
      removeBlob: before(removeBlob),
      removeManifest: before(removeManifest),
      removeContents: before(removeContents),
      listLetGo: before(listLetGo),
    });
    stage.records.faults.remove = meanwhile;
    await collectOf(stage);
    if (left >= 0) return;
    stage.records.faults.remove = undefined;
    const { tools } = stage;
    assert.equal(await stage.resolve('latest'), index.manifest.digest, `at step ${step}`);
    for (const { manifest, blobs } of [image, other]) {
      assert.equal(await stage.resolve(manifest.digest), manifest.digest);
      for (const { digest, bytes } of blobs) {
        assert.deepEqual(stage.blobs.blobs.get(digest), bytes, `at step ${step}`);
        assert.equal(await isLinked(stage, digest), true);
      }
    }
    for (const digest of [index, image, other].map(({ manifest }) => manifest.digest)) {
      assert.ok(await tools.records.getRecord(manifestRecordName(stage.repository, digest)), `record at step ${step}`);
    }
  }
}

test('a push in the middle of collecting never fails because of it, and nothing of it is gone, at whatever step', async (t) => {
  await atEachChange(t, async (stage) => {
    stage.clock.advance(1000);
    await pushThroughProcess(stage);
  });
});

/** As another process does: with locks of its own, each content held before its bytes are put in place. */
async function pushThroughProcess(stage: HostedStage): Promise<void> {
  const nowMs = stage.clock.now();
  const { repository, blobs, records, index: rows } = stage;
  const hold = (digest: Digest) => rows.hold(repository, digest, nowMs);
  for (const { digest, bytes } of [...image.blobs, ...other.blobs]) {
    await hold(digest);
    blobs.blobs.set(digest, Buffer.from(bytes)); // another object: a new file
    await rows.addBlob(repository, digest, bytes.length, nowMs);
  }
  for (const { manifest, blobs: parts, children } of [image, other, index]) {
    const { digest, bytes, mediaType } = manifest;
    await hold(digest);
    blobs.blobs.set(digest, Buffer.from(bytes));
    records.records.set(manifestRecordName(repository, digest), {
      bytes: Buffer.from(JSON.stringify({ mediaType })),
      writtenAtMs: nowMs,
    });
    const references = [...parts.map((part) => part.digest), ...children.map((child) => child.manifest.digest)];
    const about = { subject: undefined, artifactType: undefined, annotations: undefined };
    const row = { digest, mediaType, sizeBytes: bytes.length, references, required: references, ...about };
    const tags = manifest === index.manifest ? [parseTag('latest')] : [];
    assert.deepEqual(await rows.putManifest(repository, row, tags, nowMs), []);
  }
}

test('collecting that fails in the middle loses no record of what stays, and goes on the next time', async (t) => {
  for (let steps = 0; ; steps++) {
    const stage = await untaggedStage(t);
    let left = steps;
    stage.beforeChange = () => {
      if (left-- === 0) throw new Error('the disk failed');
    };
    const unsettled: Unsettled = [];
    const isDone = await collectOf(stage, {}, unsettled).then(
      () => true,
      () => false,
    );
    stage.beforeChange = () => {};
    const manifests = await stage.index.listManifests({ registry: hostedRegistryName, count: 9 });
    const recorded = new Set(stage.records.records.keys());
    for (const { digest } of manifests) {
      assert.ok(recorded.has(manifestRecordName(stage.repository, digest)), `after ${steps} steps`);
    }
    await collectOf(stage, {}, unsettled);
    assert.deepEqual([stage.blobs.blobs.size, stage.records.records.size], [0, 0], `after ${steps} steps`);
    if (isDone) return;
  }
});
