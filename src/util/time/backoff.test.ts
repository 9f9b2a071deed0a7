import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from './backoff.ts';

test('waits double from try to try, up to the longest', () => {
  const waits = [1, 2, 3, 4, 5, 6].map((count) => backoffMs(count, 200, 2_000, 1));
  assert.deepEqual(waits, [200, 400, 800, 1600, 2000, 2000]);
});

test('chance moves a wait within its upper half, and never to nothing', () => {
  for (const [count, fullMs] of [
    [1, 200],
    [3, 800],
    [9, 2000],
  ] as const) {
    assert.equal(backoffMs(count, 200, 2_000, 0), fullMs / 2);
    assert.equal(backoffMs(count, 200, 2_000, 0.5), fullMs * 0.75);
    assert.equal(backoffMs(count, 200, 2_000, 1), fullMs);
  }
});

test('the thousandth wait is as long as the longest', () => {
  assert.equal(backoffMs(1_000, 200, 2_000, 1), 2_000);
  assert.equal(backoffMs(5_000, 200, 2_000, 1), 2_000);
});
