import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededBytes } from '../../../../test/support/content/images.ts';
import { algorithmOf, digestOf } from '../../../oci/digest.ts';
import type { StoredBlob } from '../../../store/blob-store.ts';
import { Hasher } from '../../download/hasher.ts';
import { StoredHash } from './stored-hash.ts';

const bytes = seededBytes('stored', 10_050);
const patient = new AbortController().signal;

/** A stored blob that says how it is read; `endBytes` is where it was cut while it was open. */
function blobOf(content: Buffer, endBytes = content.length) {
  const reads: number[] = [];
  const blob: StoredBlob = {
    sizeBytes: content.length,
    async read(into, position) {
      reads.push(into.length);
      const part = content.subarray(position, Math.min(position + into.length, endBytes));
      into.set(part);
      return part.length;
    },
    remove: async () => false,
    async close() {},
  };
  return { blob, reads };
}

function hashOf(t: TestContext, pace: (bytes: number, signal: AbortSignal) => Promise<void> = async () => {}) {
  const hasher = new Hasher(1);
  t.after(() => hasher.close());
  return new StoredHash(hasher, 1000, pace);
}

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`a stored blob is hashed by ${algorithm}, a small buffer at a time, and others after it`, async (t) => {
    const hash = hashOf(t);
    for (const length of [10_050, 10_000, 999, 1, 0, 10_050]) {
      const { blob, reads } = blobOf(bytes.subarray(0, length));
      const expected = digestOf(bytes.subarray(0, length), algorithm);
      assert.equal(await hash.digest(blob, algorithmOf(expected), patient), expected);
      assert.deepEqual(reads, Array(Math.ceil(length / 1000)).fill(1000));
    }
  });
}

test('a blob that was cut while it was open is hashed up to where it ends', async (t) => {
  const { blob } = blobOf(bytes, 2500);
  assert.equal(await hashOf(t).digest(blob, 'sha256', patient), digestOf(bytes.subarray(0, 2500)));
});

test('what is about to be read is told before, to the byte', async (t) => {
  const paced: number[] = [];
  const { blob, reads } = blobOf(bytes);
  const hash = hashOf(t, async (count) => {
    assert.equal(reads.length, paced.length);
    paced.push(count);
  });
  await hash.digest(blob, 'sha256', patient);
  assert.deepEqual(paced, [...Array(10).fill(1000), 50]);
});

test('a signal ends the hashing between two reads, and the next blob is hashed all the same', async (t) => {
  const stop = new AbortController();
  let count = 0;
  const hash = hashOf(t, async () => {
    if (++count === 3) stop.abort(new Error('stopped'));
  });
  const { blob, reads } = blobOf(bytes);
  await assert.rejects(hash.digest(blob, 'sha256', stop.signal), { message: 'stopped' });
  assert.equal(reads.length, 2);
  assert.equal(await hash.digest(blobOf(bytes).blob, 'sha256', patient), digestOf(bytes));
});

test('what reading fails with is thrown', async (t) => {
  const { blob } = blobOf(bytes);
  blob.read = () => Promise.reject(new Error('the disk fails'));
  await assert.rejects(hashOf(t).digest(blob, 'sha256', patient), { message: 'the disk fails' });
});
