import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { type DigestAlgorithm, digestOf, parseDigest } from '../../oci/digest.ts';
import type { Hashing, RunningHash } from '../tools.ts';
import { LazyHash } from './lazy-hash.ts';

/** Hashes as a thread does, and counts how often it is begun. */
class CountingHasher implements Hashing {
  begun = 0;

  begin(algorithm: DigestAlgorithm): RunningHash {
    this.begun++;
    const hash = createHash(algorithm);
    return {
      update: async (bytes) => void hash.update(bytes),
      end: async () => parseDigest(`${algorithm}:${hash.digest('hex')}`),
      drop() {},
    };
  }
}

/** Hashes pieces of these sizes, and tells how many threads that took. */
async function threadsFor(sizes: readonly number[]): Promise<number> {
  const hasher = new CountingHasher();
  const bytes = seededBytes(
    'hash',
    sizes.reduce((sum, size) => sum + size, 0),
  );
  const hash = new LazyHash(hasher, 'sha512');
  const buffer = Buffer.from(new SharedArrayBuffer(Math.max(...sizes)));
  let position = 0;
  for (const size of sizes) {
    bytes.copy(buffer, 0, position, position + size);
    await hash.update(buffer.subarray(0, size));
    buffer.fill(0); // it is used again
    position += size;
  }
  assert.equal(await hash.end(), digestOf(bytes, 'sha512'));
  return hasher.begun;
}

test('what is small is hashed without a thread, in one piece or in several', async () => {
  assert.equal(await threadsFor([32 * 1024]), 0);
  assert.equal(await threadsFor([1, 20_000, 0, 5_000]), 0);
});

test('what grows goes to a thread, with what came before', async () => {
  assert.equal(await threadsFor([32 * 1024 + 1]), 1);
  assert.equal(await threadsFor([10_000, 10_000, 20_000, 1_000_000, 5]), 1);
});
