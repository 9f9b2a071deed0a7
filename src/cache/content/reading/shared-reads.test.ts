import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededBytes } from '../../../../test/support/content/images.ts';
import { CountingPool } from '../../../../test/support/counting-pool.ts';
import { SharedReads } from './shared-reads.ts';

const content = seededBytes('shared', 10_000_000);

function setUp(mostAtOnceBytes = Number.POSITIVE_INFINITY) {
  const pool = new CountingPool();
  const asked: number[] = [];
  const state = { bytes: content, failure: undefined as Error | undefined };
  const reads = new SharedReads(async (into, position) => {
    asked.push(position);
    await new Promise(setImmediate);
    if (state.failure) throw state.failure;
    return state.bytes.copy(into, 0, position, position + Math.min(into.length, mostAtOnceBytes));
  }, pool);
  return { reads, pool, asked, state };
}

test('many who want the same bytes at the same time cost one read and one buffer', async () => {
  const { reads, pool, asked } = setUp();
  const early = await Promise.all(Array.from({ length: 20 }, () => reads.next(1000, 5000)));
  const late = await reads.next(1000, 5000); // while the others still have them
  for (const { bytes } of [...early, late]) assert.deepEqual(bytes, content.subarray(1000, 6000));
  assert.deepEqual(asked, [1000]);
  assert.equal(pool.out, 1);
  for (const { release } of early) release();
  assert.equal(pool.out, 1); // one has it still
  late.release();
  assert.equal(pool.out, 0);
});

test('nothing is kept for those who may come: who comes when all have given their bytes back reads them again', async () => {
  const { reads, pool, asked } = setUp();
  (await reads.next(0, 100)).release();
  assert.equal(pool.out, 0);
  (await reads.next(0, 100)).release();
  assert.deepEqual(asked, [0, 0]);
});

test('who is amid bytes that another has gets the rest of them, and no more than was wanted', async () => {
  const { reads, asked } = setUp();
  const first = await reads.next(0, 5000);
  const rest = await reads.next(4000, 3000);
  const middle = await reads.next(1000, 10);
  assert.deepEqual(rest.bytes, content.subarray(4000, 5000));
  assert.deepEqual(middle.bytes, content.subarray(1000, 1010));
  const behind = await reads.next(5000, 10);
  assert.deepEqual(behind.bytes, content.subarray(5000, 5010));
  assert.deepEqual(asked, [0, 5000]);
  for (const { release } of [first, rest, middle, behind]) release();
});

test('who hoped for bytes that a read did not give after all reads them', async () => {
  const { reads, pool, asked } = setUp(1000);
  const [first, second] = await Promise.all([reads.next(0, 5000), reads.next(4000, 500)]);
  assert.deepEqual(first.bytes, content.subarray(0, 1000));
  assert.deepEqual(second.bytes, content.subarray(4000, 4500));
  assert.deepEqual(asked, [0, 4000]);
  first.release();
  second.release();
  assert.equal(pool.out, 0);
});

test('a read that fails fails for everybody who waits for it, and for nobody after', async () => {
  const { reads, pool, state } = setUp();
  state.failure = new Error('EIO');
  const failed = await Promise.allSettled([reads.next(0, 10), reads.next(0, 10), reads.next(5, 1)]);
  assert.deepEqual(
    failed.map((result) => result.status === 'rejected' && result.reason),
    [state.failure, state.failure, state.failure],
  );
  assert.equal(pool.out, 0);
  state.failure = undefined;
  const chunk = await reads.next(0, 10);
  assert.deepEqual(chunk.bytes, content.subarray(0, 10));
  chunk.release();
});

test('a position where no byte is, is an error that gives the buffer back', async () => {
  const { reads, pool } = setUp();
  await assert.rejects(reads.next(content.length, 10), /from byte 10000000 on/);
  assert.equal(pool.out, 0);
});

test('what was read before the content became another is given to nobody who asks after', async () => {
  const { reads, pool, state } = setUp();
  const before = await reads.next(0, 1000);
  const underWay = reads.next(2000, 1000);
  reads.forget();
  state.bytes = seededBytes('another', 10_000);
  const after = await Promise.all([reads.next(0, 1000), reads.next(2000, 1000)]);
  assert.deepEqual(before.bytes, content.subarray(0, 1000));
  assert.deepEqual(after[0].bytes, state.bytes.subarray(0, 1000));
  assert.deepEqual(after[1].bytes, state.bytes.subarray(2000, 3000));
  for (const chunk of [before, await underWay, ...after]) chunk.release();
  assert.equal(pool.out, 0);
});
