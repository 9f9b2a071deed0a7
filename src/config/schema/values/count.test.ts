import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCount } from './count.ts';

test('a count is a whole number above zero', () => {
  for (const [text, count] of Object.entries({ 1: 1, 200: 200, '007': 7, 1000000: 1e6 })) {
    assert.equal(parseCount(text), count, text);
  }
});

test('what is no count is refused', () => {
  for (const text of ['', '0', '-1', '1.5', '1e3', '0x10', ' 1', 'many', '1000001', 'Infinity']) {
    assert.throws(() => parseCount(text), /^Error: expected a whole number from 1 to 1000000$/, text);
  }
});
