import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { seededBytes } from '../../support/content/images.ts';
import { assertNothingKept } from '../../support/disk/store-files.ts';
import { assertBroken, assertWhole } from '../../support/http/body-reader.ts';
import { rawFetch, readRest } from '../../support/http/raw-http.ts';
import type { Quirks } from '../../support/registry/quirks.ts';
import { shorten } from '../../support/registry/recorder.ts';
import { repository, type Stage, setStage } from '../../support/stages/stage.ts';

const sizeBytes = 1024 * 1024 + 9;

async function setUp(t: TestContext, quirks: Quirks) {
  const stage = await setStage(t, { registry: { quirks } });
  const digest = stage.origin.content.putGenerated(repository, 'layer', sizeBytes);
  return { stage, origin: stage.origin, digest, get: `GET /v2/${repository}/blobs/${shorten(digest)}` };
}

/** The registry is well again: the next request asks it, and gets the blob. */
async function assertNextIsWhole({ origin, url }: Stage, digest: Digest): Promise<void> {
  origin.setQuirks({});
  origin.requests.clear();
  assertWhole(await rawFetch(`${url}/v2/${repository}/blobs/${digest}`), digest);
  assert.deepEqual(origin.requests.lines(), [`GET /v2/${repository}/blobs/${shorten(digest)}`]);
}

/** Everything that comes on a connection after one request, heads and framing included. */
async function fetchWire({ url }: Stage, path: string): Promise<Buffer> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`);
  const pieces: Buffer[] = [];
  socket.on('data', (piece) => pieces.push(piece));
  socket.on('error', () => {}); // a connection that is reset has ended, too
  await once(socket, 'close');
  return Buffer.concat(pieces);
}

for (const [which, at] of Object.entries({ first: 0, middle: 500_000, last: -1 })) {
  test(`a blob whose ${which} byte is wrong never looks whole to anybody, and is not kept`, async (t) => {
    const { stage, origin, digest, get } = await setUp(t, { wrongBytes: { at } });
    const gate = origin.faults.stallAfterBytes('GET blob', 1);
    const messages = await Promise.all(Array.from({ length: 3 }, () => stage.request(stage.blobUrl(digest))));
    gate.release();
    for (const answer of await Promise.all(messages.map(readRest))) assertBroken(answer, sizeBytes);
    await assertNothingKept(stage);
    assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
    assert.match(
      String(stage.log.named('blob download failed')[0]?.facts['reason']),
      /the bytes from upstream are sha256/,
    );
    await assertNextIsWhole(stage, digest);
  });

  test(`a blob without a length whose ${which} byte is wrong ends without a last chunk`, async (t) => {
    const { stage, origin, digest, get } = await setUp(t, { wrongBytes: { at }, noContentLength: true });
    const wire = (await fetchWire(stage, `/v2/${repository}/blobs/${digest}`)).toString('latin1');
    assert.match(wire, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(wire, /\r\ntransfer-encoding: chunked\r\n/i);
    assert.doesNotMatch(wire, /\r\n0\r\n\r\n$/);
    await assertNothingKept(stage);
    assert.deepEqual(origin.requests.lines(), ['GET /v2/', get]);
    await assertNextIsWhole(stage, digest);
  });
}

test('a right blob without a length ends with a last chunk', async (t) => {
  const { stage, digest } = await setUp(t, { noContentLength: true });
  const wire = (await fetchWire(stage, `/v2/${repository}/blobs/${digest}`)).toString('latin1');
  assert.match(wire, /\r\n0\r\n\r\n$/);
});

test('a blob of two bytes whose last is wrong gives out no more than the first', async (t) => {
  const { stage, origin } = await setUp(t, { wrongBytes: { at: 1 } });
  const digest = origin.content.putBlob(repository, Buffer.from('ab'));
  const answer = await rawFetch(stage.blobUrl(digest));
  assertBroken(answer, 2);
  assert.ok(answer.body.length <= 1);
  await assertNothingKept(stage);
});

test('a blob of one byte, which is wrong, gives out nothing', async (t) => {
  const { stage, origin } = await setUp(t, { wrongBytes: { at: 0 } });
  const digest = origin.content.putBlob(repository, Buffer.from('a'));
  const answer = await rawFetch(stage.blobUrl(digest));
  assertBroken(answer, 1);
  await assertNothingKept(stage);
});

test('bytes under the digest of the empty blob never look whole', async (t) => {
  const { stage, origin } = await setUp(t, {});
  const digest = origin.content.putBlob(repository, Buffer.alloc(0));
  origin.faults.answer('GET blob', { status: 200, body: 'not empty' });
  assertBroken(await rawFetch(stage.blobUrl(digest)), 'not empty'.length);
  await assertNothingKept(stage);
  await assertNextIsWhole(stage, digest);
});

test('an empty answer for a blob that is not empty is an error, not an empty blob', async (t) => {
  const { stage, origin, digest } = await setUp(t, {});
  origin.faults.answer('GET blob', { status: 200, body: '' });
  const answer = await rawFetch(stage.blobUrl(digest));
  assert.equal(answer.status, 502);
  assert.match(answer.body.toString(), /UNAVAILABLE/);
  await assertNothingKept(stage);
  await assertNextIsWhole(stage, digest);
});

for (const [how, quirks] of Object.entries<Quirks>({
  'with a length': {},
  'without a length': { noContentLength: true },
})) {
  test(`the empty blob ${how} is whole, and a hit the next time`, async (t) => {
    const { stage, origin } = await setUp(t, quirks);
    const digest = origin.content.putBlob(repository, Buffer.alloc(0));
    assertWhole(await rawFetch(stage.blobUrl(digest)), digest);
    await stage.log.waitFor('blob stored');
    origin.requests.clear();
    const again = await rawFetch(stage.blobUrl(digest));
    assertWhole(again, digest);
    assert.equal(again.headers['content-length'], '0');
    assert.deepEqual(origin.requests.lines(), []);
  });
}

test('a Content-Length that is too small for the blob never makes it look whole', async (t) => {
  const { stage, digest } = await setUp(t, { wrongContentLength: -7 });
  const answer = await rawFetch(stage.blobUrl(digest));
  assertBroken(answer, sizeBytes - 7);
  await assertNothingKept(stage);
  await assertNextIsWhole(stage, digest);
});

test('a resumed transfer whose second part is of another blob is not kept', async (t) => {
  const { stage, origin, digest, get } = await setUp(t, {});
  origin.faults.resetAfterBytes('GET blob', 400_000);
  origin.faults.none('GET blob', { quirks: { wrongBytes: { at: 700_000 } } });
  assertBroken(await rawFetch(stage.blobUrl(digest)), sizeBytes);
  await assertNothingKept(stage);
  assert.deepEqual(origin.requests.lines(), ['GET /v2/', get, `${get} bytes=400000-`]);
  await assertNextIsWhole(stage, digest);
});

test('the bytes that came before a wrong one are those that upstream sent', async (t) => {
  const { stage, digest } = await setUp(t, { wrongBytes: { at: -1 } });
  const { body } = await rawFetch(stage.blobUrl(digest));
  assert.equal(digestOf(body), digestOf(seededBytes('layer', body.length)));
});
