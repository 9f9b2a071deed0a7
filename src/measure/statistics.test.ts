import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summarize } from './statistics.ts';

test('figures come to an average, a median, a 95th percentile and two ends, in whatever order they are', () => {
  assert.deepEqual(summarize([4, 1, 3, 2, 10]), { count: 5, avg: 4, median: 3, p95: 10, min: 1, max: 10 });
  assert.deepEqual(summarize([10, 1, 2, 4]), { count: 4, avg: 4.25, median: 3, p95: 10, min: 1, max: 10 });
  assert.deepEqual(summarize([7]), { count: 1, avg: 7, median: 7, p95: 7, min: 7, max: 7 });
});

test('of many figures, the slowest twentieth is beyond the 95th percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, at) => at + 1);
  assert.equal(summarize(hundred)?.p95, 95);
  assert.equal(summarize(hundred.slice(0, 20))?.p95, 19);
  assert.equal(summarize(hundred.slice(0, 21))?.p95, 20);
});

test('no figures come to nothing', () => {
  assert.equal(summarize([]), undefined);
});

test('the figures that are given stay in their order', () => {
  const figures = [3, 1, 2];
  summarize(figures);
  assert.deepEqual(figures, [3, 1, 2]);
});
