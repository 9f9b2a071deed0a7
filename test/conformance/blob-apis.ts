import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type Digest, type DigestAlgorithm, digestOf } from '../../src/oci/digest.ts';
import { expectHeader, expectStatus, locationOf } from './expect.ts';
import { type Answer, ask, type Target, urlOf } from './wire.ts';

/** Where blobs are pushed to in one check. */
export interface Place {
  readonly target: Target;
  readonly repository: string;
  /** Another repository of the registry, which blobs are mounted from. */
  readonly other: string;
}

/** A blob and the digest that it is pushed under, which need not be its own. */
export interface PushedBlob {
  readonly bytes: Buffer;
  readonly digest: Digest;
}

/** A way to push a blob. It gives the answer to its last request, whatever that is. */
export type Push = (place: Place, blob: PushedBlob) => Promise<Answer>;

const octets = { 'content-type': 'application/octet-stream' };
const chunkBytes = 1024;

/** A blob that nobody has pushed yet. */
export function newBlob(algorithm: DigestAlgorithm, sizeBytes: number): PushedBlob {
  const bytes = randomBytes(sizeBytes);
  return { bytes, digest: digestOf(bytes, algorithm) };
}

async function begin({ target, repository }: Place): Promise<URL> {
  const answer = await ask('POST', urlOf(target, repository, 'blobs/uploads/'));
  expectStatus(answer, 202);
  return locationOf(answer);
}

/** POST with the digest and the whole body (end-4b). */
export const postOnly: Push = ({ target, repository }, { bytes, digest }) =>
  ask('POST', urlOf(target, repository, 'blobs/uploads/'), {
    query: [['digest', digest]],
    headers: octets,
    body: bytes,
  });

/** POST, then PUT with the whole body (end-4a, end-6). */
export const postPut: Push = async (place, { bytes, digest }) =>
  ask('PUT', await begin(place), { query: [['digest', digest]], headers: octets, body: bytes });

/** POST, then PATCH with a body of no known length, then PUT (end-5). */
export const streamed: Push = async (place, { bytes, digest }) => {
  const patched = await ask('PATCH', await begin(place), { headers: octets, body: bytes, streamed: true });
  expectStatus(patched, 202);
  return ask('PUT', locationOf(patched), { query: [['digest', digest]], headers: octets });
};

/** POST, then PATCH chunk by chunk; the last chunk comes by PUT, or an empty PUT comes after it. */
export function chunked({ lastByPut = false, outOfOrder = false } = {}): Push {
  return async (place, { bytes, digest }) => {
    let location = await begin(place);
    const query = [['digest', digest]] as const;
    for (let start = 0; start < bytes.length; start += chunkBytes) {
      if (outOfOrder) location = await sendOutOfOrder(location, bytes, start);
      const end = Math.min(start + chunkBytes, bytes.length);
      const chunk = chunkOf(bytes, start, end);
      if (lastByPut && end === bytes.length) return ask('PUT', location, { ...chunk, query });
      const answer = await ask('PATCH', location, chunk);
      expectStatus(answer, 202);
      expectHeader(answer, 'range', `0-${end - 1}`);
      location = locationOf(answer);
    }
    return ask('PUT', location, { query, headers: octets });
  };
}

function chunkOf(bytes: Buffer, start: number, end: number) {
  const headers = { ...octets, 'content-range': `${start}-${end - 1}` };
  return { headers, body: bytes.subarray(start, end) };
}

/** A chunk that is not the next one is refused, and the upload tells where it is. */
async function sendOutOfOrder(location: URL, bytes: Buffer, nextByte: number): Promise<URL> {
  const start = nextByte + chunkBytes < bytes.length ? nextByte + chunkBytes : 0;
  const chunk = chunkOf(bytes, start, Math.min(start + chunkBytes, bytes.length));
  expectStatus(await ask('PATCH', location, chunk), 416);
  const state = await ask('GET', location);
  expectStatus(state, 204);
  assert.match(state.headers.range ?? '', /^0-\d+$/);
  if (nextByte > 0) expectHeader(state, 'range', `0-${nextByte - 1}`);
  return locationOf(state);
}

/** Pushes to the other repository, then mounts from there (end-11); without `from` when it is anonymous. */
export function mounted({ anonymous = false } = {}): Push {
  return async (place, blob) => {
    expectStatus(await postPut({ ...place, repository: place.other }, blob), 201);
    const from = anonymous ? [] : [['from', `${place.target.prefix}${place.other}`] as const];
    const query = [['mount', blob.digest] as const, ...from];
    return ask('POST', urlOf(place.target, place.repository, 'blobs/uploads/'), { query });
  };
}

/** Every way that a blob is pushed in, with its name and the part of the spec that it is from. */
export const pushes: readonly (readonly [name: string, push: Push, sizeBytes: number])[] = [
  ['POST with the whole blob (end-4b)', postOnly, 512],
  ['POST, PUT (end-4a, end-6)', postPut, 512],
  ['PATCH, one chunk (end-5)', chunked(), 512],
  ['PATCH, several chunks', chunked(), 3 * chunkBytes - 5],
  ['PATCH, the last chunk by PUT', chunked({ lastByPut: true }), 3 * chunkBytes - 5],
  ['PATCH, chunks out of order are refused', chunked({ outOfOrder: true }), 3 * chunkBytes - 5],
  ['PATCH out of order, the last chunk by PUT', chunked({ outOfOrder: true, lastByPut: true }), 3 * chunkBytes - 5],
  ['PATCH, streamed', streamed, 512],
  ['mount (end-11)', mounted(), 512],
  ['mount without `from`', mounted({ anonymous: true }), 512],
];

/** A pushed blob is where the answer says, and where it should be; HEAD and GET agree (end-2). */
export async function expectPushed(place: Place, blob: PushedBlob, answer: Answer): Promise<void> {
  expectStatus(answer, 201);
  expectHeader(answer, 'docker-content-digest', blob.digest);
  const at = await ask('GET', locationOf(answer));
  expectStatus(at, 200);
  assert.ok(at.body.equals(blob.bytes));
  await expectBlob(place, blob);
}

/** The repository has the blob. */
export async function expectBlob({ target, repository }: Place, { digest, bytes }: PushedBlob): Promise<void> {
  for (const method of ['HEAD', 'GET']) {
    const answer = await ask(method, urlOf(target, repository, `blobs/${digest}`));
    expectStatus(answer, 200);
    expectHeader(answer, 'content-length', String(bytes.length));
    expectHeader(answer, 'docker-content-digest', digest);
    assert.ok(answer.body.equals(method === 'HEAD' ? Buffer.alloc(0) : bytes));
  }
}

/** Deletes a blob, which is gone at once (end-10). */
export async function deleteBlob({ target, repository }: Place, digest: Digest): Promise<void> {
  const url = urlOf(target, repository, `blobs/${digest}`);
  expectStatus(await ask('DELETE', url), 202);
  expectStatus(await ask('HEAD', url), 404);
  expectStatus(await ask('GET', url), 404);
}
