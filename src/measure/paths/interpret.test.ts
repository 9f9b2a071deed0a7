import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interpretPaths } from './interpret.ts';

const mbit = 1e6 / 8;

/** Which rules apply. */
function applying(path: number | undefined, cache: number | undefined, cdn: number | undefined) {
  const scaled = (figure: number | undefined) => figure && figure * mbit;
  return interpretPaths({ path: scaled(path), cache: scaled(cache), cdn: scaled(cdn) }).map(({ applies }) => applies);
}

test('a cache that is about as fast as the path is limited by the path', () => {
  assert.deepEqual(applying(940, 900, 300), [true, false, false]);
  assert.deepEqual(applying(100, 80, 80), [true, false, false]);
});

test('a cache that is much slower than the path is limited by its machine, whatever the CDN does', () => {
  assert.deepEqual(applying(940, 200, 300), [false, true, false]);
  assert.deepEqual(applying(940, 100, 900), [false, true, false]);
});

test('a CDN that is much faster than the cache tells of the path to the cache', () => {
  assert.deepEqual(applying(undefined, 50, 400), [undefined, undefined, true]);
  assert.deepEqual(applying(60, 50, 400), [true, false, true]);
});

test('between close and much less, nothing stands out', () => {
  assert.deepEqual(applying(100, 60, 100), [false, false, false]);
});

test('a rule that lacks a figure says which', () => {
  const rules = interpretPaths({ path: undefined, cache: undefined, cdn: mbit });
  assert.deepEqual(
    rules.map(({ text }) => text),
    [
      'cannot be told without a figure of the path and the cache',
      'cannot be told without a figure of the path and the cache',
      'cannot be told without a figure of the cache',
    ],
  );
  assert.equal(
    interpretPaths({ path: 1, cache: 1, cdn: undefined })[2]?.text,
    'cannot be told without a figure of the CDN',
  );
});

test('the figures are in the words', () => {
  const words = (path: number, cache: number, cdn: number) =>
    interpretPaths({ path: path * mbit, cache: cache * mbit, cdn: cdn * mbit }).map(({ text }) => text);
  assert.deepEqual(words(940, 900, 2000), [
    'the cache sends 900.0 Mbit/s, and the path carries 940.0 Mbit/s: close to it, so the path to the cache is the limit',
    'the cache sends 96 % of what the path carries: that is not much less',
    'the CDN sends 2.00 Gbit/s, and the cache 900.0 Mbit/s: much more, so the path to the cache is likely the bottleneck',
  ]);
  assert.deepEqual(words(940, 90, 200), [
    'the cache sends 90.0 Mbit/s, and the path carries 940.0 Mbit/s: the path could carry more',
    'the cache sends 10 % of what the path carries: look at its network card, cable, switch, processor and disk',
    'the CDN sends 200.0 Mbit/s, and the cache 90.0 Mbit/s: much more, but the path carries 940.0 Mbit/s, so it is the cache’s machine',
  ]);
});
