import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeProgress, describeTime } from './progress.ts';

test('progress is a bar, sizes, a rate and the time that is left', () => {
  assert.equal(
    describeProgress(12e9, 48e9, 24_000),
    '[######------------------] 12 GB of 48 GB, 500 MB/s, 1m 12s left',
  );
});

test('progress promises nothing before there is anything to go by', () => {
  assert.equal(describeProgress(0, 1e6, 60_000), '[------------------------] 0 B of 1 MB');
  assert.equal(describeProgress(1, 48e6, 60_000), '[------------------------] 1 B of 48 MB');
  assert.equal(describeProgress(5e5, 1e6, 20), '[############------------] 500 kB of 1 MB');
});

test('progress beyond what was known stays at the end', () => {
  assert.equal(describeProgress(3e6, 1e6, 1000), '[########################] 3 MB of 3 MB, 3 MB/s, 0s left');
  assert.equal(describeProgress(0, 0, 1000), '[########################] 0 B of 0 B');
});

test('a time is told in its two largest units', () => {
  const cases: [number, string][] = [
    [400, '0s'],
    [59_000, '59s'],
    [61_000, '1m 1s'],
    [3_600_000, '1h 0m'],
    [93_784_000, '26h 3m'],
  ];
  for (const [ms, text] of cases) assert.equal(describeTime(ms), text);
});
