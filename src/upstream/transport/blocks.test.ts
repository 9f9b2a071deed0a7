import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Block, BlockPool, largeBlockBytes, smallBlockBytes } from './blocks.ts';

const mebibyte = 1024 * 1024;

test('a block is used again when its last user has released it', () => {
  const pool = new BlockPool();
  const block = pool.take();
  block.users++;
  assert.equal(pool.release(block), false);
  assert.notEqual(pool.take(), block);
  assert.equal(pool.release(block), true);
  const again = pool.take();
  assert.equal(again, block);
  assert.equal(again.users, 1);
});

test('a block is memory that another thread can read, too', () => {
  assert.ok(new BlockPool().take().buffer.buffer instanceof SharedArrayBuffer);
});

test('large blocks are few, so that a thousand bodies stay within bounded memory', () => {
  const pool = new BlockPool();
  const blocks: Block[] = Array.from({ length: 1_000 }, () => pool.take());
  const sizes = Map.groupBy(blocks, ({ buffer }) => buffer.length);
  assert.deepEqual([...sizes.keys()].sort(), [smallBlockBytes, largeBlockBytes].sort());
  assert.ok(sizes.get(largeBlockBytes)!.length * largeBlockBytes <= 16 * mebibyte);
  assert.equal(new Set(blocks).size, 1_000);
});

test('what is kept for later is bounded, too, and large blocks come first', () => {
  const pool = new BlockPool();
  const many = Array.from({ length: 1_000 }, () => pool.take());
  for (const block of many) pool.release(block);
  const known = new Set(many);
  const kept = Array.from({ length: 1_000 }, () => pool.take()).filter((block) => known.has(block));
  const keptBytes = kept.reduce((sum, { buffer }) => sum + buffer.length, 0);
  assert.ok(keptBytes <= 32 * mebibyte, `${keptBytes} bytes`);
  assert.equal(kept[0]!.buffer.length, largeBlockBytes);
});
