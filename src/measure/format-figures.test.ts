import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBitRate, formatByteRate, formatSeconds } from './format-figures.ts';

test('times are told to the thousandth while they are short', () => {
  assert.deepEqual([0.0123, 9.9994, 12.345, 301].map(formatSeconds), ['0.012 s', '9.999 s', '12.3 s', '301.0 s']);
});

test('rates are told in bytes, or in bits in the largest unit that they have one of', () => {
  assert.deepEqual([118e6, 4_000].map(formatByteRate), ['118.0 MB/s', '0.0 MB/s']);
  assert.deepEqual([118e6, 125e6, 1.2e9].map(formatBitRate), ['944.0 Mbit/s', '1.00 Gbit/s', '9.60 Gbit/s']);
});
