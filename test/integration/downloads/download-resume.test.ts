import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Digest } from '../../../src/oci/digest.ts';
import { partialBlobs, spoolEmptied, storedBlobs, writersEnded } from '../../support/disk/store-files.ts';
import { assertBroken, assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, type StageOptions, setStage } from '../../support/stages/stage.ts';
import { ManualClock } from '../../support/time/clock.ts';

const sizeBytes = 2 * 1024 * 1024 + 11;
const middle = 1024 * 1024 + 13;

async function setUp(t: TestContext, options?: StageOptions) {
  const stage = await setStage(t, options);
  const digest = stage.origin.content.putGenerated(repository, 'layer', sizeBytes);
  return { stage, origin: stage.origin, digest, get: `GET /v2/${repository}/blobs/${shorten(digest)}` };
}

/** What upstream is asked when a transfer goes on at these bytes, one after the other. */
function resumedAt(get: string, ...positions: number[]): string[] {
  return ['GET /v2/', get, ...positions.map((position) => (position === 0 ? get : `${get} bytes=${position}-`))];
}

/** Pulls the blob, and sees that it is whole, and kept. */
async function pullWhole({ url, log, data }: Stage, digest: Digest): Promise<void> {
  assertWhole(await rawFetch(`${url}/v2/${repository}/blobs/${digest}`), digest);
  await log.waitFor('blob stored');
  await spoolEmptied(data);
  assert.deepEqual(storedBlobs(data), [digest.slice('sha256:'.length)]);
}

for (const [where, position] of Object.entries({
  'before the first byte': 0,
  'after the first byte': 1,
  'in the middle': middle,
  'before the last byte': sizeBytes - 1,
})) {
  test(`a transfer that upstream resets ${where} goes on from there`, async (t) => {
    const { stage, origin, digest, get } = await setUp(t);
    origin.faults.resetAfterBytes('GET blob', position);
    await pullWhole(stage, digest);
    assert.deepEqual(origin.requests.lines(), resumedAt(get, position));
    assert.equal(stage.log.named('blob download resumed')[0]?.facts['fromBytes'], position);
  });

  test(`a transfer that upstream ends short ${where}, under a full Content-Length, goes on from there`, async (t) => {
    const { stage, origin, digest, get } = await setUp(t);
    origin.faults.endAfterBytes('GET blob', position);
    await pullWhole(stage, digest);
    assert.deepEqual(origin.requests.lines(), resumedAt(get, position));
  });

  test(`a transfer that breaks ${where} goes on though the registry ignores Range`, async (t) => {
    const { stage, origin, digest, get } = await setUp(t, { registry: { quirks: { ignoresRange: true } } });
    origin.faults.resetAfterBytes('GET blob', position);
    await pullWhole(stage, digest);
    assert.deepEqual(origin.requests.lines(), resumedAt(get, position));
  });
}

test('a transfer goes on through several breaks in a row, of every kind', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  origin.faults.resetAfterBytes('GET blob', 100_000);
  origin.faults.endAfterBytes('GET blob', 200_000);
  origin.faults.answer('GET blob', { status: 503 });
  origin.faults.closeWithoutAnswer('GET blob');
  origin.faults.tooManyRequests('GET blob');
  origin.faults.resetAfterBytes('GET blob', 1);
  origin.faults.resetAfterBytes('GET blob', 0);
  await pullWhole(stage, digest);
  const at = [100_000, 300_000, 300_000, 300_000, 300_000, 300_001, 300_001];
  assert.deepEqual(origin.requests.lines(), resumedAt(get, ...at));
});

test('a transfer that stalls goes on after the idle limit', async (t) => {
  // Long enough for a busy machine to bring the rest without another pause of this length.
  const { stage, origin, digest, get } = await setUp(t, { cache: { limits: { idleMs: 600 } } });
  origin.faults.stallAfterBytes('GET blob', middle);
  await pullWhole(stage, digest);
  assert.deepEqual(origin.requests.lines(), resumedAt(get, middle));
});

test('everybody who follows a transfer sees the whole of it though it breaks', async (t) => {
  const { stage, origin, digest, get } = await setUp(t);
  const gate = origin.faults.stallAfterBytes('GET blob', 1, { quirks: { endsShort: 1000 } });
  const messages = await Promise.all(Array.from({ length: 8 }, () => stage.request(stage.blobUrl(digest))));
  gate.release();
  for (const answer of await Promise.all(messages.map(readRest))) assertWhole(answer, digest);
  assert.deepEqual(origin.requests.lines(), resumedAt(get, sizeBytes - 1000));
});

test('the wait before a transfer goes on doubles with every fruitless try, and is short again after a new byte', async (t) => {
  const clock = new ManualClock();
  const { stage, origin, digest, get } = await setUp(t, { cache: { clock, download: {}, retry: { rounds: 1 } } });
  origin.faults.resetAfterBytes('GET blob', middle);
  origin.faults.answer('GET blob', { status: 503 }, { times: 2 });
  origin.faults.resetAfterBytes('GET blob', 1);
  const pulled = pullWhole(stage, digest);
  for (const [least, most] of [
    [100, 200],
    [200, 400],
    [400, 800],
    [100, 200],
  ] as const) {
    const { delayMs } = await clock.nextSleep();
    assert.ok(delayMs >= least && delayMs <= most, `waited ${delayMs} ms, not ${least} to ${most}`);
    clock.advance(Math.ceil(delayMs));
  }
  await pulled;
  assert.deepEqual(origin.requests.lines(), resumedAt(get, middle, middle, middle, middle + 1));
});

test('a transfer is given up after six tries without a new byte: clients are cut off, and the next goes on with its bytes', async (t) => {
  const clock = new ManualClock();
  const { stage, origin, digest, get } = await setUp(t, { cache: { clock, download: {}, retry: { rounds: 1 } } });
  origin.faults.resetAfterBytes('GET blob', middle);
  origin.faults.answer('GET blob', { status: 503 }, { times: 6 });
  const message = await stage.request(stage.blobUrl(digest));
  const begun = await takeBytes(message, middle);
  for (let tries = 0; tries < 6; tries++) {
    const { delayMs } = await clock.nextSleep();
    clock.advance(Math.ceil(delayMs));
  }
  const answer = await readRest(message);
  assertBroken({ ...answer, body: Buffer.concat([begun, answer.body]) }, sizeBytes);
  await writersEnded(stage.data);
  assert.deepEqual(storedBlobs(stage.data), []);
  assert.deepEqual(partialBlobs(stage.data), [digest.slice('sha256:'.length)]);
  assert.deepEqual(origin.requests.lines(), resumedAt(get, ...new Array<number>(6).fill(middle)));
  assert.equal(clock.sleeping, 0);

  origin.requests.clear();
  clock.advance(2_000); // upstream was left alone, and then for twice as long
  await pullWhole(stage, digest);
  assert.deepEqual(origin.requests.lines(), [`${get} bytes=${middle}-`]);
});

const policy = { firstDelayMs: 1, maxDelayMs: 1, maxFruitlessTries: 2 };

/** Pulls a blob whose transfer cannot go on: the client is cut off, and nothing is stored. */
async function pullInVain({ url, data }: Stage, digest: Digest): Promise<void> {
  const answer = await rawFetch(`${url}/v2/${repository}/blobs/${digest}`);
  assertBroken(answer, sizeBytes);
  assert.ok(answer.body.length <= middle);
  await writersEnded(data);
  assert.deepEqual(storedBlobs(data), []);
}

test('a transfer does not go on with a part of a blob of another size', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, { cache: { download: policy } });
  const last = middle + 9;
  const headers = { 'content-range': `bytes ${middle}-${last}/${last + 1}` };
  origin.faults.resetAfterBytes('GET blob', middle);
  origin.faults.answer('GET blob', { status: 206, headers, body: 'x'.repeat(10) }, { times: 2 });
  await pullInVain(stage, digest);
  assert.deepEqual(origin.requests.lines(), resumedAt(get, middle, middle));
});

test('a transfer does not go on with a part that begins elsewhere', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, { cache: { download: policy } });
  const headers = { 'content-range': `bytes ${middle - 5}-${sizeBytes - 1}/${sizeBytes}` };
  const body = 'x'.repeat(sizeBytes - middle + 5);
  origin.faults.resetAfterBytes('GET blob', middle);
  origin.faults.answer('GET blob', { status: 206, headers, body }, { times: 2 });
  await pullInVain(stage, digest);
  assert.deepEqual(origin.requests.lines(), resumedAt(get, middle, middle));
});

test('a transfer does not go on with a whole blob of another size', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, { cache: { download: policy } });
  origin.faults.resetAfterBytes('GET blob', middle);
  origin.faults.answer('GET blob', { status: 200, body: 'x'.repeat(sizeBytes + 1) }, { times: 2 });
  await pullInVain(stage, digest);
  assert.deepEqual(origin.requests.lines(), resumedAt(get, middle, middle));
});

for (const status of [404, 403]) {
  test(`a transfer ends at once when upstream answers ${status} to its going on`, async (t) => {
    const { stage, origin, digest, get } = await setUp(t);
    origin.faults.resetAfterBytes('GET blob', middle);
    origin.faults.answer('GET blob', { status });
    await pullInVain(stage, digest);
    assert.deepEqual(origin.requests.lines(), resumedAt(get, middle));
  });
}

test('a transfer that cannot even begin is the error of upstream, and the next request tries again', async (t) => {
  const clock = new ManualClock();
  const { stage, origin, digest, get } = await setUp(t, { cache: { clock, retry: { rounds: 1 } } });
  origin.faults.answer('GET blob', { status: 503 });
  origin.faults.tooManyRequests('GET blob', '7');
  const answers = [await rawFetch(stage.blobUrl(digest)), await rawFetch(stage.blobUrl(digest))];
  assert.deepEqual(
    answers.map(({ status }) => status),
    [502, 503],
  );
  clock.advance(7_000);
  await pullWhole(stage, digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, get, get]);
});
