import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { seededBytes } from '../../support/content/images.ts';
import { parseCacheStatus } from '../../support/http/cache-status.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { setDoorStage } from '../../support/stages/door-stage.ts';
import { repository } from '../../support/stages/stage.ts';

const sizeBytes = 4000;

/** Each range, and the bytes that it means of 4000; `whole` where the header is to be ignored. */
const ranges: readonly (readonly [range: string, expected: readonly [number, number] | 'none' | 'whole'])[] = [
  // the table of the conformance suite
  ['bytes=500-1499', [500, 1499]],
  ['bytes=500-', [500, 3999]],
  ['bytes=-500', [3500, 3999]],
  ['bytes=2000-5000', [2000, 3999]],
  ['bytes=500-0', 'none'],
  ['bytes=5000-10000', 'none'],
  // the edges
  ['bytes=0-0', [0, 0]],
  ['bytes=0-', [0, 3999]],
  ['bytes=3999-', [3999, 3999]],
  ['bytes=4000-', 'none'],
  ['bytes=-1', [3999, 3999]],
  ['bytes=-0', 'none'],
  ['bytes=-4000', [0, 3999]],
  ['bytes=-99999', [0, 3999]],
  ['BYTES=0-9', [0, 9]],
  ['bytes=00000000000000000000000-9', [0, 9]],
  ['bytes=99999999999999999999999-', 'none'],
  ['bytes=0-99999999999999999999999', [0, 3999]],
  // several, or none that can be read
  ['bytes=0-9,20-29', 'whole'],
  ['bytes=0-9, -5', 'whole'],
  ['bytes=', 'whole'],
  ['bytes=-', 'whole'],
  ['bytes=a-b', 'whole'],
  ['bytes=5', 'whole'],
  ['bytes=1-2-3', 'whole'],
  ['bytes 0-9', 'whole'],
  ['items=0-9', 'whole'],
  ['0-9', 'whole'],
];

// The first is small enough to be kept in memory; the second is read from disk.
for (const [kind, blob] of [
  ['a small blob', seededBytes('small', sizeBytes)],
  ['a blob on disk', seededBytes('large', 1_000_000)],
] as const) {
  describe(`a range of ${kind} is what RFC 9110 and the conformance suite say`, () => {
    for (const [range, expected] of ranges) {
      // The table is for 4000 bytes; of a larger blob, the same distances from its end.
      const shifted = blob.length === sizeBytes ? range : shift(range, blob.length - sizeBytes);
      if (shifted === undefined) continue;
      test(`${shifted}, cold and warm`, async (t) => {
        const { origin, blobUrl, log } = await setDoorStage(t);
        const url = blobUrl(origin.content.putBlob(repository, blob));
        const offset = shifted === range ? 0 : blob.length - sizeBytes;
        for (const state of ['cold', 'warm']) {
          const { status, headers, body } = await rawFetch(url, { headers: { range: shifted } });
          const what = `${state}: ${status} ${headers['content-range']}`;
          if (expected === 'none') {
            assert.equal(what, `${state}: 416 bytes */${blob.length}`);
            assert.equal(JSON.parse(body.toString()).errors[0].code, 'RANGE_INVALID');
          } else if (expected === 'whole') {
            assert.equal(what, `${state}: 200 undefined`);
            assert.equal(headers['content-length'], String(blob.length));
            assert.deepEqual(body, blob);
          } else {
            const [first, last] = [expected[0] + offset, expected[1] + offset];
            assert.equal(what, `${state}: 206 bytes ${first}-${last}/${blob.length}`);
            assert.equal(headers['content-length'], String(last - first + 1));
            assert.deepEqual(body, blob.subarray(first, last + 1));
          }
          assert.equal(headers['x-content-type-options'], 'nosniff');
          parseCacheStatus(headers['cache-status']);
          await log.waitFor('blob stored');
        }
      });
    }
  });
}

/** The same range so many bytes further on; undefined for one that is not simply between two positions. */
function shift(range: string, byBytes: number): string | undefined {
  const [, first, last] = /^bytes=(\d{1,5})-(\d{0,5})$/.exec(range) ?? [];
  if (first === undefined) return undefined;
  return `bytes=${Number(first) + byBytes}-${last === '' ? '' : Number(last) + byBytes}`;
}

test('a whole blob comes with its length, its digest and leave to keep it, and HEAD says the same', async (t) => {
  const { origin, blobUrl, log } = await setDoorStage(t);
  const blob = seededBytes('blob', 200_000);
  const digest = origin.content.putBlob(repository, blob);
  for (const [method, expected] of [
    ['HEAD', { fwd: 'miss' }],
    ['GET', { fwd: 'miss', stored: true }],
    ['HEAD', { hit: true }],
    ['GET', { hit: true }],
  ] as const) {
    const { status, headers, body } = await rawFetch(blobUrl(digest), { method });
    assert.equal(status, 200);
    assert.deepEqual(parseCacheStatus(headers['cache-status']).parameters, expected);
    assert.equal(headers['content-type'], 'application/octet-stream');
    assert.equal(headers['content-length'], '200000');
    assert.equal(headers['docker-content-digest'], digest);
    assert.equal(headers['etag'], `"${digest}"`);
    assert.equal(headers['accept-ranges'], 'bytes');
    assert.equal(headers['cache-control'], 'max-age=31536000, immutable');
    assert.equal(headers['docker-distribution-api-version'], 'registry/2.0');
    assert.deepEqual(body, method === 'HEAD' ? Buffer.alloc(0) : blob);
    if (method === 'GET') await log.waitFor('blob stored');
  }
});

test('HEAD of a blob takes no notice of a range', async (t) => {
  const { origin, blobUrl } = await setDoorStage(t);
  const digest = origin.content.putBlob(repository, seededBytes('blob', 1000));
  const { status, headers } = await rawFetch(blobUrl(digest), { method: 'HEAD', headers: { range: 'bytes=0-9' } });
  assert.deepEqual([status, headers['content-length'], headers['content-range']], [200, '1000', undefined]);
});

test('a client that has the blob gets 304 without a body, cold and warm', async (t) => {
  const { origin, blobUrl, log } = await setDoorStage(t);
  const digest = origin.content.putBlob(repository, seededBytes('blob', 1000));
  for (let count = 0; count < 2; count++) {
    const answer = await rawFetch(blobUrl(digest), { headers: { 'if-none-match': `"${digest}"` } });
    assert.deepEqual([answer.status, answer.body.length], [304, 0]);
    await log.waitFor('blob stored');
  }
});

test('an empty blob is served whole, and has no range', async (t) => {
  const { origin, blobUrl } = await setDoorStage(t);
  const digest = origin.content.putBlob(repository, Buffer.alloc(0));
  for (let count = 0; count < 2; count++) {
    const whole = await rawFetch(blobUrl(digest));
    assert.deepEqual([whole.status, whole.headers['content-length'], whole.body.length], [200, '0', 0]);
    const part = await rawFetch(blobUrl(digest), { headers: { range: 'bytes=0-' } });
    assert.deepEqual([part.status, part.headers['content-range']], [416, 'bytes */0']);
  }
});

test('a blob that is not there is 404 in form, and for HEAD without a body', async (t) => {
  const { origin, blobUrl } = await setDoorStage(t);
  origin.content.putBlob(repository, seededBytes('blob', 10));
  const absent = digestOf(Buffer.from('nobody has this'));
  const get = await rawFetch(blobUrl(absent));
  assert.deepEqual([get.status, JSON.parse(get.body.toString()).errors[0].code], [404, 'BLOB_UNKNOWN']);
  const head = await rawFetch(blobUrl(absent), { method: 'HEAD' });
  assert.deepEqual([head.status, head.body.length], [404, 0]);
});
