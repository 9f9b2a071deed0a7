import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSize, parseSize, parseSizeOrNone, parseSizeOrZero } from './size.ts';

test('parseSize() reads decimal and binary units, and bytes without one', () => {
  const sizes: [string, number][] = [
    ['1', 1],
    ['4096', 4096],
    ['512B', 512],
    ['10kB', 10_000],
    ['10 KB', 10_000],
    ['50GB', 50e9],
    ['50gb', 50e9],
    ['50G', 50e9],
    ['1.5GB', 1.5e9],
    ['500MiB', 500 * 1024 ** 2],
    ['500Mi', 500 * 1024 ** 2],
    ['2TiB', 2 * 1024 ** 4],
    ['1PB', 1e15],
  ];
  for (const [text, sizeBytes] of sizes) assert.equal(parseSize(text), sizeBytes, text);
});

test('parseSize() refuses what is no size, or is nothing', () => {
  for (const text of ['', '0', '0GB', '-1', '5XB', 'GB', '5iB', '50 GB s', '1e9', '1,5GB', '99999PB', 'NaN']) {
    assert.throws(() => parseSize(text), /expected a size above zero/, text);
  }
});

test('parseSizeOrZero() reads nothing as nothing', () => {
  assert.equal(parseSizeOrZero('0'), 0);
  assert.equal(parseSizeOrZero('1GB'), 1e9);
  assert.throws(() => parseSizeOrZero('-1'), /expected a size/);
});

test('parseSizeOrNone() reads none as no limit', () => {
  assert.equal(parseSizeOrNone('none'), undefined);
  assert.equal(parseSizeOrNone('1GB'), 1e9);
  assert.throws(() => parseSizeOrNone('0'), /expected a size above zero/);
});

test('formatSize() writes a size in few letters', () => {
  assert.equal(formatSize(0), '0 B');
  assert.equal(formatSize(999), '999 B');
  assert.equal(formatSize(1500), '1.5 kB');
  assert.equal(formatSize(50e9), '50 GB');
  assert.equal(formatSize(500 * 1024 ** 2), '524.3 MB');
  assert.equal(formatSize(9e15), '9 PB');
});
