import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePercent } from './percent.ts';

test('a percentage is a part of one', () => {
  const parts = { '95%': 0.95, '100%': 1, '0.5 %': 0.005, '085%': 0.85 };
  for (const [text, part] of Object.entries(parts)) assert.equal(parsePercent(text), part, text);
});

test('what is no percentage, or is of no use as one, is refused', () => {
  for (const text of ['', '%', '95', '0.95', '0%', '-5%', '100.1%', '95%%', '1e2%', ' 95%', 'none']) {
    assert.throws(
      () => parsePercent(text),
      /^Error: expected a percentage above 0% and up to 100%, such as 95%$/,
      text,
    );
  }
});
