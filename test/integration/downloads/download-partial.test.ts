import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Digest, digestOf, hexOf } from '../../../src/oci/digest.ts';
import { seededBytes } from '../../support/content/images.ts';
import { partialBlobs, spoolEmptied, spoolFolder, storedBlobs, writersEnded } from '../../support/disk/store-files.ts';
import { assertBroken, assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import type { Quirks } from '../../support/registry/quirks.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';

const sizeBytes = 3 * 1024 * 1024 + 7;
const leftBytes = 2 * 1024 * 1024 + 5;
const blob = seededBytes('layer', sizeBytes);
const digest = digestOf(blob);
const get = `GET /v2/${repository}/blobs/${shorten(digest)}`;
const rest = `${get} bytes=${leftBytes}-`;

/** A cache that was started on what a process left that was killed while it wrote a blob. */
async function setUp(t: TestContext, left: Uint8Array = blob.subarray(0, leftBytes), quirks: Quirks = {}) {
  const stage = await setStage(t, { registry: { quirks }, cache: { retry: { rounds: 1 } } });
  stage.origin.content.putBlob(repository, blob);
  await stage.restart(() => {
    const name = `${hexOf(digest)}.0123456789abcdef.part`; // no lock: its owner is dead
    writeFileSync(join(spoolFolder(stage.data), name), left);
  });
  assert.deepEqual(partialBlobs(stage.data), left.length === 0 ? [] : [hexOf(digest)]);
  return { stage, origin: stage.origin, url: stage.blobUrl(digest) };
}

function wrongAt(position: number, length = leftBytes): Buffer {
  const left = Buffer.from(blob.subarray(0, length));
  left[position]! ^= 1;
  return left;
}

async function assertStored({ log, data }: Stage, name: Digest = digest): Promise<void> {
  await log.waitFor('blob stored');
  await spoolEmptied(data);
  assert.deepEqual(storedBlobs(data), [hexOf(name)]);
}

test('what a killed process left is gone on with, by one request for the rest, for all who ask', async (t) => {
  const { stage, origin, url } = await setUp(t);
  for (const answer of await Promise.all([1, 2, 3].map(() => rawFetch(url)))) assertWhole(answer, digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', rest]);
  assert.deepEqual(
    stage.log.named('blob download continued').map(({ facts }) => facts['fromBytes']),
    [leftBytes],
  );
  await assertStored(stage);
});

test('its readers have the bytes that are here while upstream still keeps the rest back', async (t) => {
  const { origin, url, stage } = await setUp(t);
  const gate = origin.faults.stallAfterBytes('GET blob', 0);
  const message = await stage.request(url);
  const begun = await takeBytes(message, leftBytes);
  gate.release();
  const answer = await readRest(message);
  assertWhole({ ...answer, body: Buffer.concat([begun, answer.body]) }, digest);
});

test('a registry that ignores Range is read up to where the rest begins', async (t) => {
  const { origin, url, stage } = await setUp(t, undefined, { ignoresRange: true });
  assertWhole(await rawFetch(url), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', rest]);
  await assertStored(stage);
});

test('a transfer that goes on with what was left, and breaks, goes on again', async (t) => {
  const { origin, url, stage } = await setUp(t);
  origin.faults.resetAfterBytes('GET blob', 1000);
  assertWhole(await rawFetch(url), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', rest, `${get} bytes=${leftBytes + 1000}-`]);
  await assertStored(stage);
});

test('of a blob that was left whole nothing is fetched', async (t) => {
  const { origin, url, stage } = await setUp(t, blob);
  assertWhole(await rawFetch(url), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', `${get} bytes=${sizeBytes}-`]);
  await assertStored(stage);
});

test('more bytes than the blob has are dropped before anybody gets one', async (t) => {
  const { origin, url, stage } = await setUp(t, Buffer.concat([blob, Buffer.from('more')]));
  assertWhole(await rawFetch(url), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', `${get} bytes=${sizeBytes + 4}-`, get]);
  await assertStored(stage);
});

for (const [which, position] of Object.entries({ first: 0, middle: 1_000_000, last: leftBytes - 1 })) {
  test(`when the ${which} of the bytes that were left is wrong, no reader has the whole, and the next has the right one`, async (t) => {
    const { stage, origin, url } = await setUp(t, wrongAt(position));
    assertBroken(await rawFetch(url), sizeBytes);
    assertWhole(await rawFetch(url), digest);
    assert.deepEqual(origin.requests.lines(), ['GET /v2/', rest, get]);
    assert.equal(stage.log.named('blob download begun anew').length, 1);
    await assertStored(stage);
  });
}

test('a file that was left with zeros, as after a power cut, is found out though it has the right size', async (t) => {
  const { stage, origin, url } = await setUp(t, Buffer.alloc(sizeBytes));
  assertBroken(await rawFetch(url), sizeBytes);
  assertWhole(await rawFetch(url), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', `${get} bytes=${sizeBytes}-`, get]);
  await assertStored(stage);
});

test('a part of what was left waits until all is right, and so is never wrong', async (t) => {
  const { stage, origin, url } = await setUp(t, wrongAt(10));
  const answer = await rawFetch(url, { headers: { range: 'bytes=5-104' } });
  assert.equal(answer.status, 206);
  assert.deepEqual(answer.body, blob.subarray(5, 105));
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', rest, get]);
  await assertStored(stage);
});

test('what was left stays while upstream is away, for the time when it is back', async (t) => {
  const { stage, origin, url } = await setUp(t);
  origin.faults.answer('GET blob', { status: 503 });
  assert.equal((await rawFetch(url)).status, 502);
  await writersEnded(stage.data);
  assert.deepEqual(partialBlobs(stage.data), [hexOf(digest)]);
  assertWhole(await rawFetch(url), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', rest, rest]);
  await assertStored(stage);
});

test('what was left for one repository is not given to another that does not have the blob', async (t) => {
  const { stage, url } = await setUp(t);
  assert.equal((await rawFetch(stage.blobUrl(digest, 'lib/other'))).status, 404);
  await writersEnded(stage.data);
  assertWhole(await rawFetch(url), digest);
});
