import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseReserve } from './reserve.ts';

test('a reserve is a count, or a part of the limit', () => {
  assert.deepEqual(parseReserve('20'), { count: 20 });
  assert.deepEqual(parseReserve('0'), { count: 0 });
  assert.deepEqual(parseReserve('10%'), { part: 0.1 });
});

test('what is no reserve is refused, with both forms named', () => {
  for (const text of ['', '-1', '1.5', '0%', '101%', 'ten', '1e3']) {
    assert.throws(() => parseReserve(text), /^Error: expected a count of pulls, such as 20, or a percentage/, text);
  }
});
