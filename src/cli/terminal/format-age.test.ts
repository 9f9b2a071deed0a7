import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge } from './format-age.ts';

test('an age is told in the largest unit that it has one of', () => {
  const now = 1_750_000_000_000;
  const cases: [number, string][] = [
    [-5, 'just now'],
    [0, 'just now'],
    [1, '1 second ago'],
    [119, '1 minute ago'],
    [2 * 3600, '2 hours ago'],
    [86_400, '1 day ago'],
    [400 * 86_400, '400 days ago'],
  ];
  for (const [seconds, text] of cases) assert.equal(formatAge(now - seconds * 1000, now), text);
});
