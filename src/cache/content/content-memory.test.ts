import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../oci/digest.ts';
import { ContentMemory, maxRememberedBytes } from './content-memory.ts';

function content(name: string, sizeBytes: number) {
  const bytes = Buffer.alloc(sizeBytes, name);
  return { digest: digestOf(bytes), bytes };
}

test('a content memory gives the very bytes that it holds, and nothing else', () => {
  const memory = new ContentMemory();
  const { digest, bytes } = content('a', 10);
  assert.equal(memory.get(digest), undefined);
  memory.put(digest, bytes);
  assert.equal(memory.get(digest), bytes);
  assert.equal(memory.get(content('b', 10).digest), undefined);
});

test('a content memory holds no large content', () => {
  const memory = new ContentMemory();
  const largest = content('a', maxRememberedBytes);
  const tooLarge = content('a', maxRememberedBytes + 1);
  memory.put(largest.digest, largest.bytes);
  memory.put(tooLarge.digest, tooLarge.bytes);
  assert.ok(memory.get(largest.digest));
  assert.equal(memory.get(tooLarge.digest), undefined);
});

test('a content memory lets the least recently used go first, and no more than it must', () => {
  const memory = new ContentMemory(300);
  const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) => content(name, 100));
  for (const { digest, bytes } of [a!, b!, c!]) memory.put(digest, bytes);
  memory.get(a!.digest);
  memory.put(d!.digest, d!.bytes);
  assert.equal(memory.get(b!.digest), undefined);
  for (const { digest } of [a!, c!, d!]) assert.ok(memory.get(digest));
  // Now a was used before c and d.
  memory.put(e!.digest, e!.bytes);
  assert.equal(memory.get(a!.digest), undefined);
  for (const { digest } of [c!, d!, e!]) assert.ok(memory.get(digest));
});

test('a content memory makes room for a larger content by as many as it takes', () => {
  const memory = new ContentMemory(300);
  const small = ['a', 'b', 'c'].map((name) => content(name, 100));
  for (const { digest, bytes } of small) memory.put(digest, bytes);
  const large = content('d', 150);
  memory.put(large.digest, large.bytes);
  assert.deepEqual(
    small.map(({ digest }) => memory.get(digest) !== undefined),
    [false, false, true],
  );
  assert.ok(memory.get(large.digest));
});

test('a content memory counts what is put twice once, and what is removed no more', () => {
  const memory = new ContentMemory(300);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => content(name, 100));
  for (let i = 0; i < 5; i++) memory.put(a!.digest, a!.bytes);
  memory.put(b!.digest, b!.bytes);
  memory.put(c!.digest, c!.bytes);
  for (const { digest } of [a!, b!, c!]) assert.ok(memory.get(digest));
  memory.remove(a!.digest);
  memory.remove(a!.digest);
  assert.equal(memory.get(a!.digest), undefined);
  const d = content('d', 100);
  memory.put(d.digest, d.bytes);
  for (const { digest } of [b!, c!, d]) assert.ok(memory.get(digest));
});
