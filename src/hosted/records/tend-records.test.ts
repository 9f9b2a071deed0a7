import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makeImage } from '../../../test/support/content/images.ts';
import { collectOf } from '../../../test/support/hosted/garbage-rig.ts';
import { HostedStage } from '../../../test/support/stages/hosted-stage.ts';
import type { ManualClock } from '../../../test/support/time/clock.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import { rebuildHosted } from './rebuild.ts';
import { manifestRecordName } from './record.ts';
import { tendRecords } from './tend-records.ts';

const never = new AbortController().signal;
const image = makeImage({ seed: 'app', layers: [100] });
const { bytes, mediaType, digest } = image.manifest;
const [config] = image.blobs;

/** Tends the records as the next start does, and gives what it told. */
async function tend(stage: HostedStage): Promise<readonly object[]> {
  const told: object[] = [];
  const log = { ...stage.tools.log, warn: (facts: object) => void told.push(facts) };
  const clock = stage.clock as ManualClock;
  clock.advance(1); // what was written before is older than the start
  await tendRecords({ ...stage.tools, clock, log }, never);
  return told;
}

/** A push that died when its records were written, an hour ago. */
async function diedPushing(t: TestContext): Promise<HostedStage> {
  const stage = new HostedStage(t);
  await rebuildHosted(stage.tools, never);
  for (const blob of image.blobs) await stage.putBlob(blob.bytes);
  let isDead = false;
  stage.beforeChange = (what) => {
    if (what === 'putManifest') isDead = true;
    if (isDead) throw new Error('killed');
  };
  await assert.rejects(stage.put(bytes, mediaType, 'latest'), /killed/);
  stage.beforeChange = () => {};
  stage.clock.advance(3_600_000);
  return stage;
}

test('a push that died is completed, though garbage was collected since', async (t) => {
  const stage = await diedPushing(t);
  for (const blob of image.blobs) await stage.putBlob(blob.bytes); // somebody has pushed the same again, up to here
  await collectOf(stage, { beforeMs: stage.clock.now() });
  const told = await tend(stage);
  assert.equal(await stage.resolve('latest'), digest);
  assert.ok(told.every((facts) => (facts as { repaired: boolean }).repaired));
});

test('a push that died, and whose blobs went as garbage since, is not shown without them', async (t) => {
  const stage = await diedPushing(t);
  await collectOf(stage);
  assert.ok(stage.blobs.blobs.has(digest), 'what has a record is no garbage');
  assert.match(JSON.stringify(await tend(stage)), new RegExp(`it needs .*${config!.digest}`));
  assert.deepEqual([await stage.resolve('latest'), await stage.resolve(digest)], [undefined, undefined]);
  await stage.push(image, 'latest');
  assert.equal(await stage.resolve('latest'), digest);
  assert.deepEqual(await tend(stage), []);
});

test('a push that died and cannot be completed is told until it is deleted', async (t) => {
  const stage = await diedPushing(t);
  await collectOf(stage);
  assert.equal((await tend(stage)).length, 2);
  await assert.rejects(stage.manifests.deleteManifest(stage.repository, digest, never), { status: 404 });
  assert.equal(stage.records.records.has(manifestRecordName(stage.repository, digest)), false);
  assert.equal((await tend(stage)).length, 1, 'its tag');
});

test('a manifest that was acknowledged is shown with a new index, though the disk has lost a blob of it', async (t) => {
  const stage = new HostedStage(t);
  await stage.push(image, 'latest');
  stage.blobs.blobs.delete(config!.digest);
  await stage.restart('index');
  await rebuildHosted(stage.tools, never);
  assert.equal(await stage.resolve('latest'), digest);
  const key = { registry: hostedRegistryName, repository: stage.repository };
  assert.equal(await stage.index.getLink(key, config!.digest), undefined);
});
