import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { makeImage, seededBytes } from '../../../test/support/content/images.ts';
import { bodyOf, hostedRig, never } from '../../../test/support/hosted/hosted-rig.ts';
import { HostedStage } from '../../../test/support/stages/hosted-stage.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';

const app = 'team/app' as Repository;
const other = 'team/other' as Repository;
const bytes = seededBytes('layer', 1000);
const digest = digestOf(bytes);
const anyone = { from: undefined, mayRead: () => true };
const failure = Object.assign(new Error('the folder cannot be synced'), { code: 'EIO' });
const unknown = { code: 'BLOB_UNKNOWN' };

/** A push whose blob is there and noted, and not durable yet: that ends as the test says. */
async function pushing(t: TestContext, prepare: (rig: ReturnType<typeof hostedRig>) => void = () => {}) {
  const rig = hostedRig(t);
  prepare(rig);
  const { promise: placed, resolve, reject } = Promise.withResolvers<void>();
  const there = Promise.withResolvers<void>();
  rig.store.faults.placed = () => {
    there.resolve();
    return placed;
  };
  const { id } = await rig.uploads.begin(app, {}, never);
  const pushed = rig.uploads.finish(app, id, digest, bodyOf(bytes), never);
  pushed.catch(() => {});
  await there.promise;
  while (!rig.index.contents.has(digest)) await setImmediate();
  return { ...rig, pushed, resolve, reject };
}

/** What has not settled by now, though everything has had its turn. */
async function isWaiting(work: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  work.then(settle, settle);
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  return !settled;
}

test('nobody is told of a blob, and it is mounted for nobody, before it is durable', async (t) => {
  const { hosted, pushed, resolve } = await pushing(t);
  const found = hosted.stat(app, digest, never);
  const mounted = hosted.mount(other, digest, anyone, never);
  for (const work of [pushed, found, mounted]) assert.equal(await isWaiting(work), true);
  resolve();
  await pushed;
  assert.deepEqual([(await found).sizeBytes, await mounted], [bytes.length, true]);
});

test('a blob that cannot be made durable is not there, nor mounted by then, until it is pushed again', async (t) => {
  const { hosted, uploads, store, pushed, reject } = await pushing(t);
  const found = hosted.stat(app, digest, never);
  const mounted = hosted.mount(other, digest, anyone, never);
  for (const work of [found, mounted]) assert.equal(await isWaiting(work), true);
  reject(failure);
  await assert.rejects(pushed, failure);
  await assert.rejects(found, unknown);
  assert.equal(await mounted, false);
  assert.equal(await hosted.mount(other, digest, anyone, never), false);
  store.faults.placed = undefined;
  const { id } = await uploads.begin(app, {}, never);
  await uploads.finish(app, id, digest, bodyOf(bytes), never);
  assert.equal((await hosted.stat(app, digest, never)).sizeBytes, bytes.length);
});

test('a push that fails takes nothing from another of the same blob that follows it', async (t) => {
  const { hosted, uploads, store, pushed, reject } = await pushing(t);
  store.faults.placed = undefined;
  const { id } = await uploads.begin(other, {}, never);
  const second = uploads.finish(other, id, digest, bodyOf(bytes), never);
  assert.equal(await isWaiting(second), true);
  reject(failure);
  await assert.rejects(pushed, failure);
  await second;
  assert.equal((await hosted.stat(other, digest, never)).sizeBytes, bytes.length);
});

for (const repository of [app, other]) {
  test(`a push that fails takes nothing from a push by another process to ${repository}, before or after it is noted`, async (t) => {
    const { hosted, index, pushed, reject } = await pushing(t);
    await index.addBlob(repository, digest, bytes.length);
    reject(failure);
    await assert.rejects(pushed, failure);
    assert.equal((await hosted.stat(repository, digest, never)).sizeBytes, bytes.length);

    const earlier = await pushing(t, (rig) => {
      rig.index.faults.addBlob = async () => {
        delete rig.index.faults.addBlob;
        await rig.index.addBlob(repository, digest, bytes.length);
      };
    });
    earlier.reject(failure);
    await assert.rejects(earlier.pushed, failure);
    assert.equal((await earlier.hosted.stat(repository, digest, never)).sizeBytes, bytes.length);
  });
}

test('a blob that was durable before stays, though a push of it fails', async (t) => {
  const { hosted, pushed, reject } = await pushing(t, ({ index, blobs }) => {
    blobs.blobs.set(digest, bytes);
    index.contents.set(digest, bytes.length);
    index.link({ registry: 'hosted.entrepot', repository: other }, digest);
  });
  reject(failure);
  await assert.rejects(pushed, failure);
  assert.equal((await hosted.stat(other, digest, never)).sizeBytes, bytes.length);
});

test('a blob that the index cannot make durable fails its push, and stays for the next', async (t) => {
  const { hosted, uploads, index } = hostedRig(t);
  index.faults.sync = () => Promise.reject(failure);
  const { id } = await uploads.begin(app, {}, never);
  await assert.rejects(uploads.finish(app, id, digest, bodyOf(bytes), never), failure);
  delete index.faults.sync;
  assert.equal((await hosted.stat(app, digest, never)).sizeBytes, bytes.length);
});

test('a manifest is taken when the blobs that it references are durable', async (t) => {
  const stage = new HostedStage(t);
  const image = makeImage({ seed: 'app', layers: [10] });
  for (const blob of image.blobs) await stage.putBlob(blob.bytes);
  const { promise, resolve } = Promise.withResolvers<void>();
  const placed = stage.placing.run(image.blobs[1]!.digest, () => promise);
  const pushed = stage.put(image.manifest.bytes, image.manifest.mediaType, 'latest');
  assert.equal(await isWaiting(pushed), true);
  assert.equal(await stage.resolve('latest'), undefined);
  resolve();
  await placed;
  assert.equal((await pushed).digest, image.manifest.digest);
});
