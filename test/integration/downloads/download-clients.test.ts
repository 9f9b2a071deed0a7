import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Digest } from '../../../src/oci/digest.ts';
import { seededBytes } from '../../support/content/images.ts';
import { assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';

const sizeBytes = 1024 * 1024 + 1;
/** More than the system keeps for a client that does not read (4 MiB at the sender, and what the receiver offers). */
const largeBytes = 24 * 1024 * 1024;

async function setUp(t: TestContext, blobBytes = sizeBytes) {
  const stage = await setStage(t);
  const digest = stage.origin.content.putGenerated(repository, 'layer', blobBytes);
  return { stage, origin: stage.origin, digest, get: `GET /v2/${repository}/blobs/${shorten(digest)}` };
}

/** The blob is here: the next client gets it without upstream. */
async function assertHit({ origin, url }: Stage, digest: Digest): Promise<void> {
  const before = origin.requests.lines();
  const answer = await rawFetch(`${url}/v2/${repository}/blobs/${digest}`);
  assertWhole(answer, digest);
  assert.equal(answer.headers['cache-status'], 'Entrepot; hit');
  assert.deepEqual(origin.requests.lines(), before);
}

/** Resolves when the cache has noticed that so many clients left before their answer was whole. */
async function assertLeft({ log }: Stage, count: number): Promise<void> {
  await log.waitFor('request', count);
  assert.deepEqual(
    log.named('request').map(({ facts }) => facts['status']),
    new Array<number>(count).fill(499),
  );
}

test('a client that reads a byte now and then slows neither a fast one nor the transfer, and gets all in the end', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, largeBytes);
  const { log } = stage;
  const slow = await stage.request(stage.blobUrl(digest));
  const taken = [await takeBytes(slow, 1)];
  const fast = rawFetch(stage.blobUrl(digest));
  taken.push(await takeBytes(slow, 1));
  assertWhole(await fast, digest);
  taken.push(await takeBytes(slow, 1));
  assert.equal(await origin.requests.matching(get)[0]!.ended, 'whole');
  await log.waitFor('blob stored');
  await log.waitFor('request');
  taken.push(await takeBytes(slow, 1));
  // Only the fast client's answer is over.
  assert.deepEqual(
    log.named('request').map(({ facts }) => facts['cache']),
    ['collapsed'],
  );
  await assertHit(stage, digest);
  const rest = await readRest(slow);
  assertWhole({ ...rest, body: Buffer.concat([...taken, rest.body]) }, digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
});

test('a transfer goes on to its end when all clients have left, and the next is a hit', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  const gate = origin.faults.stallAfterBytes('GET blob', 1000);
  const leaving = new AbortController();
  const options = { signal: leaving.signal };
  await Promise.all(Array.from({ length: 3 }, () => stage.request(stage.blobUrl(digest), options)));
  leaving.abort();
  await assertLeft(stage, 3);
  gate.release();
  await stage.log.waitFor('blob stored');
  await assertHit(stage, digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
});

test('a transfer that breaks goes on though all clients have left', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  const gate = origin.faults.stallAfterBytes('GET blob', 1000, { quirks: { endsShort: 5000 } });
  const leaving = new AbortController();
  await stage.request(stage.blobUrl(digest), { signal: leaving.signal });
  leaving.abort();
  await assertLeft(stage, 1);
  gate.release();
  await stage.log.waitFor('blob stored');
  await assertHit(stage, digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, `${get} bytes=${sizeBytes - 5000}-`]);
});

test('one client that leaves in the middle harms none of the others', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  const gate = origin.faults.stallAfterBytes('GET blob', 500_000);
  const leaving = new AbortController();
  const stays = await stage.request(stage.blobUrl(digest));
  const leaves = await stage.request(stage.blobUrl(digest), { signal: leaving.signal });
  const staysToo = await stage.request(stage.blobUrl(digest));
  assert.deepEqual(await takeBytes(leaves, 1000), seededBytes('layer', 1000));
  leaving.abort();
  await assertLeft(stage, 1);
  gate.release();
  for (const answer of await Promise.all([stays, staysToo].map(readRest))) assertWhole(answer, digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
});

test('the transfer of a client that leaves before the head has come goes on, and the next is a hit', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  const gate = origin.faults.holdHeaders('GET blob');
  const leaving = new AbortController();
  const left = stage.request(stage.blobUrl(digest), { signal: leaving.signal });
  await gate.reached;
  leaving.abort();
  await assert.rejects(left, { name: 'AbortError' });
  await assertLeft(stage, 1);
  gate.release();
  await stage.log.waitFor('blob stored');
  await assertHit(stage, digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
});

test('a client joins a transfer that all others have left, and gets all of it', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  const gate = origin.faults.stallAfterBytes('GET blob', 500_000);
  const leaving = new AbortController();
  await stage.request(stage.blobUrl(digest), { signal: leaving.signal });
  leaving.abort();
  await assertLeft(stage, 1);
  const joined = await stage.request(stage.blobUrl(digest));
  assert.equal(joined.headers['cache-status'], 'Entrepot; fwd=miss; stored; collapsed');
  gate.release();
  assertWhole(await readRest(joined), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
});

test('a client that reads nothing and leaves when the transfer is over keeps no file open', async (t) => {
  const { stage, digest } = await setUp(t, largeBytes);
  const leaving = new AbortController();
  await stage.request(stage.blobUrl(digest), { signal: leaving.signal });
  await stage.log.waitFor('blob stored');
  leaving.abort();
  // That every file is closed is seen when the stage is cleared.
  await assertLeft(stage, 1);
  await assertHit(stage, digest);
});
