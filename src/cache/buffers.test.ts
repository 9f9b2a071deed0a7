import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool, largeBufferBytes, smallBufferBytes } from './buffers.ts';

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

test('when many read, only the first have large buffers, and nobody has none', () => {
  const pool = new BufferPool();
  const sizes = Array.from({ length: 200 }, () => pool.take().length);
  const largeCount = sizes.filter((size) => size === largeBufferBytes).length;
  assert.equal(largeCount * largeBufferBytes, 24 * 1024 * 1024);
  assert.ok(sizes.slice(largeCount).every((size) => size === smallBufferBytes));
});

test('the large buffers stay few, however often they are taken and given back', () => {
  const pool = new BufferPool();
  const seen = new Set<Buffer>();
  for (let round = 0; round < 10; round++) {
    const taken = Array.from({ length: 50 }, () => pool.take());
    for (const buffer of taken) if (buffer.length === largeBufferBytes) seen.add(buffer);
    for (const buffer of taken) pool.give(buffer);
  }
  assert.equal(seen.size, 24);
});
