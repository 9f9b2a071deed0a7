import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { dirname } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Digest } from '../../../src/oci/digest.ts';
import { smallDisk } from '../../support/disk/small-disk.ts';
import {
  assertNothingKept,
  spoolEmptied,
  spoolFolder,
  storedBlobs,
  storedPath,
} from '../../support/disk/store-files.ts';
import { assertBroken, assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, type StageOptions, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

const diskBytes = 3 * 1024 * 1024;
const sizeBytes = 6 * 1024 * 1024;
const standstillRounds = 30; // a client that reads gets something in each
const laggardMs = 15_000; // of the default policy

async function setUp(t: TestContext, options: StageOptions = {}, blobBytes = sizeBytes) {
  const stage = await setStage(t, options);
  const digest = stage.origin.content.putGenerated(repository, 'layer', blobBytes);
  return { stage, origin: stage.origin, digest, get: `GET /v2/${repository}/blobs/${shorten(digest)}` };
}

/** The disk has room again, or the blob has room on it: it is fetched, kept, and a hit the next time. */
async function assertStoredNow({ origin, log, url, data }: Stage, digest: Digest): Promise<void> {
  const blobUrl = `${url}/v2/${repository}/blobs/${digest}`;
  origin.requests.clear();
  assertWhole(await rawFetch(blobUrl), digest);
  await log.waitFor('blob stored');
  assert.deepEqual(storedBlobs(data), [digest.slice('sha256:'.length)]);
  assert.equal((await rawFetch(blobUrl)).headers['cache-status'], 'Entrepot; hit');
  assert.deepEqual(origin.requests.lines(), [`GET /v2/${repository}/blobs/${shorten(digest)}`]);
}

/** Resolves when the cache has answered many other requests, and these clients have got nothing more meanwhile. */
async function standstill({ url }: Stage, messages: readonly IncomingMessage[]): Promise<void> {
  const bytesRead = () => messages.reduce((sum, { socket }) => sum + socket.bytesRead, 0);
  for (let before = -1, rounds = 0; rounds < standstillRounds; rounds++) {
    await rawFetch(`${url}/healthz`);
    if (bytesRead() !== before) rounds = 0;
    before = bytesRead();
  }
}

test('a disk that is full in the middle of a blob ends no reader: all get the whole, nothing is kept', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, { data: smallDisk(t, diskBytes) });
  const gate = origin.faults.stallAfterBytes('GET blob', 1);
  const messages = await Promise.all(Array.from({ length: 4 }, () => stage.request(stage.blobUrl(digest))));
  gate.release();
  for (const answer of await Promise.all(messages.map(readRest))) assertWhole(answer, digest);
  await assertNothingKept(stage);
  assert.match(String(stage.log.named('blob cannot be stored')[0]?.facts['reason']), /ENOSPC|EFBIG/);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);

  // The same again, as nothing is here; and what has room is kept.
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, get]);
  await stage.log.waitFor('blob download failed', 2);
  await assertStoredNow(stage, origin.content.putGenerated(repository, 'small', 1024 * 1024));
});

test('a transfer whose disk is full goes on when upstream breaks', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, { data: smallDisk(t, diskBytes) });
  origin.faults.resetAfterBytes('GET blob', 2_000_000);
  origin.faults.resetAfterBytes('GET blob', 3_000_000);
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  await assertNothingKept(stage);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, `${get} bytes=2000000-`, `${get} bytes=5000000-`]);
});

test('wrong bytes never look whole while the disk is full', async (t) => {
  const { stage, origin, digest } = await setUp(t, { data: smallDisk(t, diskBytes) });
  origin.setQuirks({ wrongBytes: { at: 5_000_000 } });
  assertBroken(await rawFetch(stage.blobUrl(digest)), sizeBytes);
  await assertNothingKept(stage);
});

test('a client that comes when the disk has failed gets a transfer of its own', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, { data: smallDisk(t, diskBytes) });
  const gate = origin.faults.stallAfterBytes('GET blob', 5_000_000);
  const first = stage.request(stage.blobUrl(digest)).then(readRest);
  await stage.log.waitFor('blob cannot be stored');
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  gate.release();
  assertWhole(await first, digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, get]);
});

test('a transfer whose disk has failed ends when nobody reads it any more', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, { data: smallDisk(t, diskBytes) });
  const gate = origin.faults.stallAfterBytes('GET blob', 5_000_000);
  const leaving = new AbortController();
  const message = await stage.request(stage.blobUrl(digest), { signal: leaving.signal });
  message.resume();
  await gate.reached;
  await stage.log.waitFor('blob cannot be stored');
  leaving.abort();
  await assertNothingKept(stage);
  assert.equal(await origin.requests.matching(get)[0]!.ended, 'broken');
});

test('a reader that holds up all others while the disk fails is cut off after its time, and the others go on', async (t) => {
  const clock = new ManualClock();
  // More than the system keeps for a client that does not read.
  const largeBytes = 24 * 1024 * 1024;
  const options = { data: smallDisk(t, diskBytes), cache: { clock, download: {}, retry: { rounds: 1 } } };
  const { stage, origin, digest, get } = await setUp(t, options, largeBytes);
  const gate = origin.faults.stallAfterBytes('GET blob', 1);
  const stuck = await stage.request(stage.blobUrl(digest));
  const others = await Promise.all([stage.request(stage.blobUrl(digest)), stage.request(stage.blobUrl(digest))]);
  const taken = await takeBytes(stuck, 1);
  gate.release();
  let isRead = false;
  const reading = Promise.all(others.map(readRest)).finally(() => {
    isRead = true;
  });
  for (let waits = 0; !isRead; waits++) {
    await standstill(stage, others);
    if (waits === 0) assert.equal(isRead, false, 'nobody was held up');
    clock.advance(laggardMs);
  }
  for (const answer of await reading) assertWhole(answer, digest);
  const rest = await readRest(stuck);
  assertBroken({ ...rest, body: Buffer.concat([taken, rest.body]) }, largeBytes);
  await assertNothingKept(stage);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
});

test('a spool that cannot be made ends no reader, and the blob is kept when it can', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  rmdirSync(spoolFolder(stage.data));
  writeFileSync(spoolFolder(stage.data), 'in the way of the folder');
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  await stage.log.waitFor('blob download failed');
  assert.deepEqual(storedBlobs(stage.data), []);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
  rmSync(spoolFolder(stage.data));
  await assertStoredNow(stage, digest);
});

test('a blob that cannot get its name ends no reader, and is kept when it can', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  const shard = dirname(storedPath(stage.data, digest));
  const gate = origin.faults.stallAfterBytes('GET blob', 1);
  const message = await stage.request(stage.blobUrl(digest));
  mkdirSync(dirname(shard), { recursive: true });
  writeFileSync(shard, 'in the way of the folder');
  gate.release();
  assertWhole(await readRest(message), digest);
  await stage.log.waitFor('blob download failed');
  await spoolEmptied(stage.data);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
  rmSync(shard);
  await assertStoredNow(stage, digest);
});

test('a manifest that cannot be stored is served all the same', async (t) => {
  const { stage, origin } = await setUp(t);
  rmdirSync(spoolFolder(stage.data));
  writeFileSync(spoolFolder(stage.data), 'in the way of the folder');
  const manifest = Buffer.from('{"schemaVersion":2}');
  origin.content.putManifest(repository, manifest, 'application/vnd.oci.image.manifest.v1+json', 'latest');
  const answer = await rawFetch(stage.manifestUrl('latest'));
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, manifest);
  assert.equal(answer.headers['cache-status'], 'Entrepot; fwd=miss');
});
