import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededBytes } from '../../../../test/support/content/images.ts';
import { CountingPool } from '../../../../test/support/counting-pool.ts';
import { readAll } from '../../../../test/support/http/read.ts';
import type { RequestedRange } from '../../../oci/registry.ts';
import type { StoredBlob } from '../../../store/blob-store.ts';
import { BufferPool } from './buffers.ts';
import { memoryContent, storedContent } from './stored-content.ts';

const sizeBytes = 2_500_000;
const bytes = seededBytes('blob', sizeBytes);
const hit = { kind: 'hit' } as const;

/** A stored blob that counts how often it is closed; reads wait for `held`, and end at `endBytes`. */
function blobOf(endBytes = sizeBytes, held: Promise<void> = Promise.resolve()) {
  const state = { closed: 0, reading: 0 };
  const blob: StoredBlob = {
    sizeBytes,
    async read(into, position) {
      assert.equal(state.closed, 0, 'read after close');
      state.reading++;
      await held;
      state.reading--;
      const part = bytes.subarray(position, Math.min(position + into.length, endBytes));
      into.set(part);
      return part.length;
    },
    remove: async () => false,
    async close() {
      assert.equal(state.reading, 0, 'closed while a read was under way');
      state.closed++;
    },
  };
  return { blob, state };
}

const ranges: readonly [RequestedRange | undefined, number, number][] = [
  [undefined, 0, sizeBytes],
  [{ start: 0, end: 0 }, 0, 1],
  [{ start: 1_048_570, end: 1_048_590 }, 1_048_570, 1_048_591],
  [{ start: sizeBytes - 1 }, sizeBytes - 1, sizeBytes],
  [{ suffixLength: 5 }, sizeBytes - 5, sizeBytes],
];

for (const [range, start, end] of ranges) {
  test(`stored content gives bytes ${start} to ${end}, and every buffer back`, async () => {
    const { blob, state } = blobOf();
    const pool = new CountingPool();
    const content = await storedContent(blob, range, pool, hit);
    assert.deepEqual([content.sizeBytes, content.start, content.end], [sizeBytes, start, end]);
    assert.deepEqual(await readAll(content), bytes.subarray(start, end));
    assert.equal(state.closed, 1);
    assert.equal(pool.out, 0);
  });

  test(`content in memory gives bytes ${start} to ${end}`, async () => {
    const content = memoryContent(bytes, range, hit);
    assert.deepEqual([content.sizeBytes, content.start, content.end], [sizeBytes, start, end]);
    assert.deepEqual(await readAll(content), bytes.subarray(start, end));
  });
}

test('a range beyond the end closes the blob', async () => {
  const { blob, state } = blobOf();
  await assert.rejects(storedContent(blob, { start: sizeBytes }, new BufferPool(), hit), { code: 'RANGE_INVALID' });
  assert.equal(state.closed, 1);
  assert.throws(() => memoryContent(bytes, { start: sizeBytes }, hit), { code: 'RANGE_INVALID' });
});

test('content that is closed while it is read closes the blob when the read has ended', async () => {
  const held = Promise.withResolvers<void>();
  const { blob, state } = blobOf(sizeBytes, held.promise);
  const content = await storedContent(blob, undefined, new BufferPool(), hit);
  const reading = content.next();
  content.close();
  content.close();
  assert.equal(state.closed, 0);
  held.resolve();
  (await reading)?.release();
  assert.equal(state.closed, 1);
  await assert.rejects(content.next(), /was closed/);
});

test('a stored blob that is shorter than it was rejects, and keeps no buffer', async () => {
  const { blob } = blobOf(1_000_000);
  const pool = new CountingPool();
  const content = await storedContent(blob, undefined, pool, hit);
  await assert.rejects(readAll(content), /ends at byte 1000000 of 2500000/);
  assert.equal(pool.out, 0);
});

test('empty content has no bytes', async () => {
  assert.deepEqual(await readAll(memoryContent(Buffer.alloc(0), undefined, hit)), Buffer.alloc(0));
});
