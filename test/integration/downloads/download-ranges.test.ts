import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededSlice } from '../../support/content/images.ts';
import { assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, setStage } from '../../support/stages/stage.ts';

const sizeBytes = 2_000_000;
const watermark = 1_000_000;

/** A blob in flight, of which upstream has sent the first half and holds the rest; one client reads all of it. */
async function setInFlight(t: TestContext) {
  const stage = await setStage(t);
  const { origin } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const gate = origin.faults.stallAfterBytes('GET blob', watermark);
  const whole = await stage.request(stage.blobUrl(digest));
  return {
    stage,
    digest,
    gate,
    ask: (range: string) => stage.request(stage.blobUrl(digest), { headers: { range: `bytes=${range}` } }),
    /** Lets the rest go: the first client gets the whole, for one GET. */
    async finish() {
      gate.release();
      assertWhole(await readRest(whole), digest);
      assert.deepEqual(origin.requests.lines(), ['GET /v2/', `GET /v2/${repository}/blobs/${shorten(digest)}`]);
    },
  };
}

function bytes(start: number, end: number): Buffer {
  return seededSlice('layer', start, end);
}

test('a range before what has come is answered at once', async (t) => {
  const { ask, finish } = await setInFlight(t);
  const { status, headers, body, broken } = await readRest(await ask('100-299'));
  assert.deepEqual([status, broken], [206, undefined]);
  assert.equal(headers['content-range'], `bytes 100-299/${sizeBytes}`);
  assert.equal(headers['content-length'], '200');
  assert.equal(headers['cache-status'], 'Entrepot; fwd=miss; stored; collapsed');
  assert.deepEqual(body, bytes(100, 300));
  await finish();
});

test('a range across what has come is answered as far as it has, then waits', async (t) => {
  const { ask, finish } = await setInFlight(t);
  const message = await ask(`${watermark - 10}-${watermark + 9}`);
  assert.equal(message.headers['content-range'], `bytes ${watermark - 10}-${watermark + 9}/${sizeBytes}`);
  assert.deepEqual(await takeBytes(message, 10), bytes(watermark - 10, watermark));
  assert.equal(message.complete, false);
  await finish();
  const { body, broken } = await readRest(message);
  assert.equal(broken, undefined);
  assert.deepEqual(body, bytes(watermark, watermark + 10));
});

test('a range beyond what has come has its head at once, and waits for its bytes', async (t) => {
  const { ask, finish } = await setInFlight(t);
  const message = await ask('1500000-1500099');
  assert.equal(message.statusCode, 206);
  assert.equal(message.headers['content-range'], `bytes 1500000-1500099/${sizeBytes}`);
  assert.equal(message.readableLength, 0);
  await finish();
  assert.deepEqual((await readRest(message)).body, bytes(1_500_000, 1_500_100));
});

test('a range without an end, and a suffix, wait for the last byte', async (t) => {
  const { ask, finish } = await setInFlight(t);
  const open = await ask('1999000-');
  const suffix = await ask('-500');
  const wholeSuffix = await ask('-3000000');
  assert.equal(open.headers['content-range'], `bytes 1999000-1999999/${sizeBytes}`);
  assert.equal(suffix.headers['content-range'], `bytes 1999500-1999999/${sizeBytes}`);
  assert.equal(wholeSuffix.headers['content-range'], `bytes 0-1999999/${sizeBytes}`);
  await finish();
  assert.deepEqual((await readRest(open)).body, bytes(1_999_000, sizeBytes));
  assert.deepEqual((await readRest(suffix)).body, bytes(1_999_500, sizeBytes));
  assert.deepEqual((await readRest(wholeSuffix)).body, bytes(0, sizeBytes));
});

test('a range beyond the end of a blob in flight is 416 at once, and harms nobody', async (t) => {
  const { ask, finish } = await setInFlight(t);
  const { status, headers, body } = await readRest(await ask(`${sizeBytes}-`));
  assert.equal(status, 416);
  assert.equal(headers['content-range'], `bytes */${sizeBytes}`);
  assert.match(body.toString(), /RANGE_INVALID/);
  await finish();
});

test('a range of a blob that turns out wrong breaks off when it has the last byte', async (t) => {
  const stage = await setStage(t, { registry: { quirks: { wrongBytes: { at: 0 } } } });
  const digest = stage.origin.content.putGenerated(repository, 'layer', sizeBytes);
  const { status, body, broken } = await rawFetch(stage.blobUrl(digest), { headers: { range: 'bytes=-500' } });
  assert.equal(status, 206);
  assert.ok(broken !== undefined && body.length < 500);
});

test('a range of a cold blob brings the whole of it, so that every later range is a hit', async (t) => {
  const stage = await setStage(t);
  const { origin, log } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const ask = (range: string) => rawFetch(stage.blobUrl(digest), { headers: { range: `bytes=${range}` } });
  const first = await ask('1000000-1000099');
  assert.equal(first.headers['cache-status'], 'Entrepot; fwd=miss; stored');
  assert.deepEqual(first.body, bytes(1_000_000, 1_000_100));
  await log.waitFor('blob stored');
  for (const [range, start, end] of [
    ['0-0', 0, 1],
    ['5-1999999', 5, sizeBytes],
    ['-1', sizeBytes - 1, sizeBytes],
  ] as const) {
    const { status, headers, body } = await ask(range);
    assert.equal(status, 206);
    assert.equal(headers['content-range'], `bytes ${start}-${end - 1}/${sizeBytes}`);
    assert.equal(headers['cache-status'], 'Entrepot; hit');
    assert.deepEqual(body, bytes(start, end));
  }
  assert.equal((await ask(`${sizeBytes}-`)).status, 416);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', `GET /v2/${repository}/blobs/${shorten(digest)}`]);
});

test('a range of a cold blob beyond its end is 416, and the blob is kept all the same', async (t) => {
  const stage = await setStage(t);
  const digest = stage.origin.content.putGenerated(repository, 'layer', sizeBytes);
  const { status, headers } = await rawFetch(stage.blobUrl(digest), { headers: { range: `bytes=${sizeBytes}-` } });
  assert.deepEqual([status, headers['content-range']], [416, `bytes */${sizeBytes}`]);
  await stage.log.waitFor('blob stored');
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
});

test('a range of a blob in flight whose length nobody knows is answered with the whole of it', async (t) => {
  const stage = await setStage(t, { registry: { quirks: { noContentLength: true } } });
  const digest = stage.origin.content.putGenerated(repository, 'layer', sizeBytes);
  const answer = await rawFetch(stage.blobUrl(digest), { headers: { range: 'bytes=5-9' } });
  assertWhole(answer, digest);
  assert.equal(answer.headers['content-range'], undefined);
});

test('ranges of a transfer that breaks and goes on are right', async (t) => {
  const stage = await setStage(t);
  const { origin } = stage;
  const digest = origin.content.putGenerated(repository, 'layer', sizeBytes);
  const gate = origin.faults.stallAfterBytes('GET blob', 1, { quirks: { endsShort: 1_000_000 } });
  const ask = (range: string) => stage.request(stage.blobUrl(digest), { headers: { range: `bytes=${range}` } });
  const [across, beyond] = await Promise.all([ask('999990-1000009'), ask('1700000-1800000')]);
  gate.release();
  assert.deepEqual((await readRest(across)).body, bytes(999_990, 1_000_010));
  assert.deepEqual((await readRest(beyond)).body, bytes(1_700_000, 1_800_001));
  const get = `GET /v2/${repository}/blobs/${shorten(digest)}`;
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, `${get} bytes=1000000-`]);
});
