import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool, bufferTiers, loneBuffers } from './buffers.ts';

test('a buffer that was given back is used again', () => {
  const pool = new BufferPool();
  const first = pool.take();
  pool.give(first);
  assert.equal(pool.take(), first);
});

test('no buffer is in two hands', () => {
  const pool = new BufferPool();
  const taken = Array.from({ length: 100 }, () => pool.take());
  assert.equal(new Set(taken).size, taken.length);
  for (const buffer of taken) pool.give(buffer);
  assert.equal(new Set(Array.from({ length: 100 }, () => pool.take())).size, 100);
});

test('when many read, the first have the large buffers, and nobody has none', () => {
  const pool = new BufferPool();
  const sizes = Array.from({ length: 200 }, () => pool.take().length);
  const wanted = [loneBuffers, ...bufferTiers].flatMap(({ sizeBytes, maxCount }) =>
    new Array<number>(Math.min(maxCount, 200)).fill(sizeBytes),
  );
  assert.deepEqual(sizes, wanted.slice(0, 200));
});

test('the buffers of forty readers are 40 MiB at most, however often they are taken and given back', () => {
  const pool = new BufferPool();
  const seen = new Set<Buffer>();
  for (let round = 0; round < 10; round++) {
    const taken = Array.from({ length: 80 }, () => pool.take());
    for (const buffer of taken) seen.add(buffer);
    for (const buffer of taken) pool.give(buffer);
  }
  assert.ok([...seen].reduce((sum, { length }) => sum + length, 0) <= 40 * 1024 * 1024);
});

test('whoever reads alone has the largest buffers, and has them again when the others have gone', () => {
  const pool = new BufferPool();
  const lone = [pool.take(), pool.take()];
  const other = pool.take();
  pool.give(lone[0]!);
  const mine = pool.take();
  assert.deepEqual(
    [...lone, other, mine].map(({ length }) => length),
    [loneBuffers.sizeBytes, loneBuffers.sizeBytes, bufferTiers[0]!.sizeBytes, bufferTiers[0]!.sizeBytes],
  );
  for (const buffer of [lone[1]!, other, mine]) pool.give(buffer);
  assert.equal(pool.take().length, loneBuffers.sizeBytes);
});
