import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type Digest, hexOf } from '../../../src/oci/digest.ts';
import { partialBlobs, spoolFolder, storedBlobs, writersEnded } from '../../support/disk/store-files.ts';
import { openBelow } from '../../support/disk/tmp.ts';
import { assertBroken, assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

// Nothing here waits for a time: a stop that hangs fails by the time limit of the run.

const sizeBytes = 2_000_000;
/** More than the system keeps for a client that does not read. */
const largeBytes = 24 * 1024 * 1024;

async function setUp(t: TestContext, blobBytes = sizeBytes, clock?: ManualClock) {
  const retry = { rounds: 1, firstDelayMs: 1 };
  const stage = await setStage(t, { cache: { retry, ...(clock === undefined ? {} : { clock }) } });
  const digest = stage.origin.content.putGenerated(repository, 'layer', blobBytes);
  return { stage, origin: stage.origin, digest, get: `GET /v2/${repository}/blobs/${shorten(digest)}` };
}

/** The cache has let go of everything, and left nothing but the bytes of these blobs. */
async function assertLetGo({ data }: Stage, digests: readonly Digest[] = []): Promise<void> {
  assert.deepEqual(openBelow(data), []);
  await writersEnded(data);
  assert.deepEqual(partialBlobs(data), digests.map(hexOf));
  assert.deepEqual(storedBlobs(data), []);
}

test('a stop ends a transfer that is under way, with its readers, and leaves what has come of it', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  origin.faults.stallAfterBytes('GET blob', 1_000_000);
  const message = await stage.request(stage.blobUrl(digest));
  const taken = await takeBytes(message, 500_000);
  await stage.stop();
  await assertLetGo(stage, [digest]);
  const rest = await readRest(message);
  assertBroken({ ...rest, body: Buffer.concat([taken, rest.body]) }, sizeBytes);
  assert.equal(await origin.requests.matching(get)[0]!.ended, 'broken');
});

test('a stop ends a transfer that all clients have left', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  origin.faults.stallAfterBytes('GET blob', 1_000_000);
  const leaving = new AbortController();
  await stage.request(stage.blobUrl(digest), { signal: leaving.signal });
  leaving.abort();
  await stage.log.waitFor('request');
  await stage.stop();
  await assertLetGo(stage, [digest]);
  assert.equal(await origin.requests.matching(get)[0]!.ended, 'broken');
});

test('a stop ends a transfer whose head has not come', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  const gate = origin.faults.holdHeaders('GET blob');
  const asking = rawFetch(stage.blobUrl(digest));
  asking.catch(() => {});
  await gate.reached;
  await stage.stop();
  await assertLetGo(stage);
  await assert.rejects(asking, { code: 'ECONNRESET' });
  assert.equal(await origin.requests.matching(get)[0]!.ended, 'broken');
});

test('a stop ends a transfer that waits to go on', async (t) => {
  const clock = new ManualClock();
  const { stage, origin, digest, get } = await setUp(t, sizeBytes, clock);
  origin.faults.resetAfterBytes('GET blob', 1_000_000);
  const message = await stage.request(stage.blobUrl(digest));
  await clock.nextSleep();
  await stage.stop();
  await assertLetGo(stage, [digest]);
  assertBroken(await readRest(message), sizeBytes);
  assert.equal(clock.sleeping, 0);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
});

test('a stop ends a reader that is far behind a transfer that is over', async (t) => {
  const { stage, digest } = await setUp(t, largeBytes);
  const message = await stage.request(stage.blobUrl(digest));
  await stage.log.waitFor('blob stored');
  await stage.stop();
  assert.deepEqual(openBelow(stage.data), []);
  assert.deepEqual(readdirSync(spoolFolder(stage.data)), []);
  assert.deepEqual(storedBlobs(stage.data), [digest.slice('sha256:'.length)]);
  assertBroken(await readRest(message), largeBytes);
});

test('what a stop ended goes on after the next start', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  origin.faults.stallAfterBytes('GET blob', 1_000_000);
  await takeBytes(await stage.request(stage.blobUrl(digest)), 1_000_000);
  await stage.restart(() => assertLetGo(stage, [digest]));
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, 'GET /v2/', `${get} bytes=1000000-`]);
});
