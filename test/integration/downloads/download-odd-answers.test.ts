import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { seededBytes } from '../../support/content/images.ts';
import { assertWhole, takeBytes } from '../../support/http/body-reader.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import type { Quirks } from '../../support/registry/quirks.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, setStage } from '../../support/stages/stage.ts';

const sizeBytes = 1024 * 1024 + 3;

async function setUp(t: TestContext, quirks: Quirks) {
  const stage = await setStage(t, { registry: { quirks } });
  const digest = stage.origin.content.putGenerated(repository, 'layer', sizeBytes);
  return { stage, origin: stage.origin, digest, get: `GET /v2/${repository}/blobs/${shorten(digest)}` };
}

for (const [what, quirks] of Object.entries<Quirks>({
  'without a Content-Length': { noContentLength: true },
  'with gzip, though nobody accepts it': { gzipForced: true },
  'with gzip and without a Content-Length': { gzipForced: true, noContentLength: true },
})) {
  test(`a blob that comes ${what} is whole for everybody, and a hit with its length the next time`, async (t) => {
    const { stage, origin, digest, get } = await setUp(t, quirks);
    const gate = origin.faults.stallAfterBytes('GET blob', 1);
    const messages = await Promise.all(Array.from({ length: 4 }, () => stage.request(stage.blobUrl(digest))));
    gate.release();
    for (const answer of await Promise.all(messages.map(readRest))) {
      assertWhole(answer, digest);
      assert.equal(answer.headers['content-length'], undefined);
      assert.equal(answer.headers['content-encoding'], undefined);
    }
    assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
    assert.equal(origin.requests.matching(get)[0]?.headers['accept-encoding'], 'identity');

    await stage.log.waitFor('blob stored');
    origin.requests.clear();
    const again = await rawFetch(stage.blobUrl(digest));
    assertWhole(again, digest);
    assert.equal(again.headers['content-length'], `${sizeBytes}`);
    assert.equal(again.headers['cache-status'], 'Entrepot; hit');
    assert.deepEqual(origin.requests.lines(), []);
  });
}

for (const [where, position] of Object.entries({
  'before the first byte': 0,
  'in the middle': 400_000,
  'before the last byte': sizeBytes - 1,
})) {
  test(`a blob of unknown length that breaks ${where} goes on from there`, async (t) => {
    const { stage, origin, digest, get } = await setUp(t, { noContentLength: true });
    origin.faults.resetAfterBytes('GET blob', position);
    assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
    const rest = position === 0 ? get : `${get} bytes=${position}-`;
    assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, rest]);
  });
}

test('a blob of unknown length that breaks after its last byte is whole when upstream refuses the rest', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, { noContentLength: true });
  origin.faults.resetAfterBytes('GET blob', sizeBytes);
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, `${get} bytes=${sizeBytes}-`]);
  assert.equal(origin.requests.all.at(-1)?.status, 416);
});

test('a blob that breaks, goes on without a Content-Length, and breaks after its last byte is whole', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, { noContentLength: true });
  origin.faults.resetAfterBytes('GET blob', 400_000);
  origin.faults.resetAfterBytes('GET blob', sizeBytes - 400_000);
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, `${get} bytes=400000-`]);
});

test('a blob of unknown length that breaks after its last byte is whole when upstream ignores Range', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, { noContentLength: true, ignoresRange: true });
  origin.faults.resetAfterBytes('GET blob', sizeBytes);
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, `${get} bytes=${sizeBytes}-`]);
});

test('a blob with gzip that breaks in the middle goes on from the last byte that was decoded', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, { gzipForced: true });
  origin.faults.resetAfterBytes('GET blob', 600_000);
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
  const { facts } = await stage.log.waitFor('blob download resumed');
  const from = Number(facts['fromBytes']);
  assert.ok(from < sizeBytes, 'more was decoded than came');
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, from === 0 ? get : `${get} bytes=${from}-`]);
});

test('a blob that is itself gzip, as layers are, comes as it is', async (t) => {
  const { stage, origin } = await setUp(t, {});
  const digest = origin.content.putBlob(repository, gzipSync(Buffer.alloc(500_000, 'layer')));
  assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
});

test('the first bytes of a blob of unknown length reach the client while upstream still holds the rest', async (t) => {
  const { stage, origin, digest } = await setUp(t, { noContentLength: true });
  const gate = origin.faults.stallAfterBytes('GET blob', 100_000);
  const message = await stage.request(stage.blobUrl(digest));
  // All but the last byte that has come: any byte may turn out to be the last.
  assert.deepEqual(await takeBytes(message, 99_999), seededBytes('layer', 99_999));
  assert.equal(message.readableLength, 0);
  gate.release();
  const { broken, body } = await readRest(message);
  assert.equal(broken, undefined);
  assert.deepEqual(body, seededBytes('layer', sizeBytes).subarray(99_999));
});
