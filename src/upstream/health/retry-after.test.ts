import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRetryAfter } from './retry-after.ts';

const nowMs = Date.UTC(2026, 0, 1, 12);

test('Retry-After is seconds or a date, and an hour at most', () => {
  const cases: [string, number][] = [
    ['0', 0],
    ['30', 30_000],
    [' 30 ', 30_000],
    ['3600', 3_600_000],
    ['3601', 3_600_000],
    ['99999999999999999999', 3_600_000],
    ['Thu, 01 Jan 2026 12:00:45 GMT', 45_000],
    ['Thursday, 01-Jan-26 12:00:45 GMT', 45_000],
    ['Thu Jan  1 12:00:45 2026 GMT', 45_000],
    ['Thu, 01 Jan 2026 11:00:00 GMT', 0],
    ['Thu, 01 Jan 2099 00:00:00 GMT', 3_600_000],
  ];
  for (const [value, waitMs] of cases) assert.equal(parseRetryAfter(value, nowMs), waitMs, value);
});

test('what is neither says nothing', () => {
  for (const value of [undefined, '', 'soon', '-5', '1.5', '5s', 'Thu, 99 Foo', '2026-01-01']) {
    assert.equal(parseRetryAfter(value, nowMs), undefined, value);
  }
});
