import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyShared } from './copy-shared.ts';

test('bytes are copied into and out of shared memory, as many as there are and fit', () => {
  const from = Uint8Array.from({ length: 10 }, (_, index) => index);
  const shared = new Uint8Array(new SharedArrayBuffer(6));
  assert.equal(copyShared(from, 3, shared), 6);
  assert.deepEqual([...shared], [3, 4, 5, 6, 7, 8]);
  const out = new Uint8Array(4);
  assert.equal(copyShared(shared, 4, out.subarray(1)), 2);
  assert.deepEqual([...out], [0, 7, 8, 0]);
  assert.equal(copyShared(shared, 6, out), 0);
  assert.equal(copyShared(shared, 0, out.subarray(0, 0)), 0);
  assert.equal(copyShared(shared, 5, out), 1);
  assert.deepEqual([...out], [8, 7, 8, 0]);
});
