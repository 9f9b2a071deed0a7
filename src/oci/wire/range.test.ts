import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRange, resolveRange } from './range.ts';

const sizeBytes = 2000;
const max = Number.MAX_SAFE_INTEGER;

// What a header means for a blob of 2000 bytes: from, up to but not including; 'whole' where it is ignored.
const meanings: Record<string, readonly [number, number] | 'whole' | 'none'> = {
  'bytes=0-0': [0, 1],
  'bytes=0-': [0, 2000],
  'bytes=500-1499': [500, 1500],
  'bytes=1999-': [1999, 2000],
  'bytes=1999-1999': [1999, 2000],
  'bytes=500-5000': [500, 2000],
  'bytes=-500': [1500, 2000],
  'bytes=-1': [1999, 2000],
  'bytes=-2000': [0, 2000],
  'bytes=-5000': [0, 2000],
  'BYTES=5-9': [5, 10],
  ' bytes=5-9 ': [5, 10],
  'bytes=007-008': [7, 9],
  [`bytes=5-${2n ** 60n}`]: [5, 2000],
  [`bytes=-${2n ** 60n}`]: [0, 2000],
  'bytes=500-0': 'none',
  'bytes=2000-': 'none',
  'bytes=2000-5000': 'none',
  'bytes=5000-10000': 'none',
  'bytes=-0': 'none',
  [`bytes=${2n ** 60n}-`]: 'none',
  [`bytes=${2n ** 60n}-${2n ** 61n}`]: 'none',
  'bytes=-': 'whole',
  'bytes=': 'whole',
  'bytes=0-9,20-29': 'whole',
  'bytes=a-b': 'whole',
  'bytes=5': 'whole',
  'bytes=+5-9': 'whole',
  'bytes=1.5-9': 'whole',
  'bytes= 5-9': 'whole',
  'bytes 5-9': 'whole',
  'items=5-9': 'whole',
  '': 'whole',
};

for (const [header, meaning] of Object.entries(meanings)) {
  const says = typeof meaning === 'string' ? meaning : `bytes ${meaning[0]} to ${meaning[1] - 1}`;
  test(`"Range: ${header}" of ${sizeBytes} bytes is ${says}`, () => {
    const range = parseRange(header);
    assert.equal(range === undefined, meaning === 'whole');
    if (meaning === 'none') {
      const headers = { 'content-range': `bytes */${sizeBytes}` };
      assert.throws(() => resolveRange(range, sizeBytes), { code: 'RANGE_INVALID', status: 416, headers });
    } else {
      const [start, end] = meaning === 'whole' ? [0, sizeBytes] : meaning;
      assert.deepEqual(resolveRange(range, sizeBytes), { start, end });
    }
  });
}

test('no Range header asks for the whole', () => {
  assert.equal(parseRange(undefined), undefined);
  assert.deepEqual(resolveRange(undefined, sizeBytes), { start: 0, end: sizeBytes });
});

test('positions beyond what a number holds exactly become the largest that it does', () => {
  assert.deepEqual(parseRange(`bytes=5-${2n ** 60n}`), { start: 5, end: max });
  assert.deepEqual(parseRange(`bytes=-${'9'.repeat(400)}`), { suffixLength: max });
});

test('an empty blob has a whole, but no part', () => {
  assert.deepEqual(resolveRange(undefined, 0), { start: 0, end: 0 });
  assert.throws(() => resolveRange({ start: 0 }, 0), { code: 'RANGE_INVALID' });
  assert.throws(() => resolveRange({ suffixLength: 5 }, 0), { code: 'RANGE_INVALID' });
});
