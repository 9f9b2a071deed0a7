import assert from 'node:assert/strict';
import { type DigestAlgorithm, digestOf } from '../../src/oci/digest.ts';
import {
  chunked,
  deleteBlob,
  expectBlob,
  expectPushed,
  newBlob,
  type Place,
  type PushedBlob,
  postOnly,
  postPut,
  pushes,
  streamed,
} from './blob-apis.ts';
import type { Check } from './check.ts';
import { expectHeader, expectStatus, locationOf } from './expect.ts';
import { ask, urlOf } from './wire.ts';

/** What is checked of pushing blobs, for one algorithm of digests. */
export function blobChecks(place: Place, algorithm: DigestAlgorithm): Check[] {
  const column = algorithm;
  const checks: Check[] = pushes.map(([name, push, sizeBytes]) => ({
    row: name,
    column,
    async run() {
      const blob = newBlob(algorithm, sizeBytes);
      await expectPushed(place, blob, await push(place, blob));
      await deleteBlob(place, blob.digest);
    },
  }));
  for (const [name, bytes] of [
    ['the empty blob', Buffer.alloc(0)],
    ['the empty JSON object', Buffer.from('{}')],
  ] as const) {
    checks.push({ row: name, column, run: () => checkKnown(place, { bytes, digest: digestOf(bytes, algorithm) }) });
  }
  const wrong = [
    ['POST', postOnly],
    ['PUT', postPut],
    ['chunks', chunked()],
    ['the last chunk by PUT', chunked({ lastByPut: true })],
    ['a stream', streamed],
  ] as const;
  for (const [name, push] of wrong) {
    checks.push({
      row: `another digest than that of the bytes is refused: ${name}`,
      column,
      async run() {
        const { digest } = newBlob(algorithm, 64);
        const { bytes } = newBlob(algorithm, 3000);
        expectStatus(await push(place, { bytes, digest }), 400);
        expectStatus(await ask('GET', urlOf(place.target, place.repository, `blobs/${digest}`)), 404);
      },
    });
  }
  return [
    ...checks,
    { row: 'a blob that was never pushed is 404', column, run: () => checkMissing(place, algorithm) },
    { row: 'a mount of what is not there begins an upload', column, run: () => checkMountMissing(place, algorithm) },
    { row: 'an upload can be cancelled (end-14)', column, run: () => checkCancel(place) },
    { row: 'ranges (end-2)', column, run: () => checkRanges(place, algorithm) },
  ];
}

async function checkKnown(place: Place, blob: PushedBlob): Promise<void> {
  for (const push of [postPut, postOnly, streamed]) await expectPushed(place, blob, await push(place, blob));
  await deleteBlob(place, blob.digest);
}

async function checkMissing({ target, repository }: Place, algorithm: DigestAlgorithm): Promise<void> {
  const url = urlOf(target, repository, `blobs/${newBlob(algorithm, 100).digest}`);
  for (const method of ['HEAD', 'GET', 'DELETE']) expectStatus(await ask(method, url), 404);
}

async function checkMountMissing(place: Place, algorithm: DigestAlgorithm): Promise<void> {
  const { target, repository, other } = place;
  const blob = newBlob(algorithm, 200);
  const query = [['mount', blob.digest] as const, ['from', `${target.prefix}${other}`] as const];
  const answer = await ask('POST', urlOf(target, repository, 'blobs/uploads/'), { query });
  expectStatus(answer, 202);
  const put = await ask('PUT', locationOf(answer), { query: [['digest', blob.digest]], body: blob.bytes });
  await expectPushed(place, blob, put);
  await deleteBlob(place, blob.digest);
}

async function checkCancel({ target, repository }: Place): Promise<void> {
  const begun = await ask('POST', urlOf(target, repository, 'blobs/uploads/'));
  expectStatus(begun, 202);
  const location = locationOf(begun);
  expectStatus(await ask('DELETE', location), 204);
  expectStatus(await ask('GET', location), 404);
  expectStatus(await ask('PATCH', location, { body: Buffer.from('late') }), 404);
}

async function checkRanges(place: Place, algorithm: DigestAlgorithm): Promise<void> {
  const blob = newBlob(algorithm, 2048);
  await expectPushed(place, blob, await postPut(place, blob));
  await expectRanges(place, blob);
  await deleteBlob(place, blob.digest);
}

/** Ranges of a blob of at least 2048 bytes, and less than 5000. */
export async function expectRanges(place: Place, { digest, bytes }: PushedBlob): Promise<void> {
  const url = urlOf(place.target, place.repository, `blobs/${digest}`);
  const size = bytes.length;
  const parts = [
    ['500-1499', 500, 1500],
    ['500-', 500, size],
    ['-500', size - 500, size],
    ['2000-5000', 2000, size],
  ] as const;
  for (const [range, start, end] of parts) {
    const answer = await ask('GET', url, { headers: { range: `bytes=${range}` } });
    expectStatus(answer, 206);
    expectHeader(answer, 'content-length', String(end - start));
    expectHeader(answer, 'content-range', `bytes ${start}-${end - 1}/${size}`);
    assert.ok(answer.body.equals(bytes.subarray(start, end)));
  }
  for (const range of ['500-0', '5000-10000']) {
    expectStatus(await ask('GET', url, { headers: { range: `bytes=${range}` } }), 416);
  }
  await expectBlob(place, { digest, bytes });
}
