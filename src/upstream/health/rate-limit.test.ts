import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { parseRateLimit, RateLimit, type RateLimitReserve } from './rate-limit.ts';

const windowMs = 21_600_000; // Docker Hub's six hours

function headersOf(limit: string, remaining: string, source?: string): Map<string, string> {
  const headers = new Map([
    ['ratelimit-limit', limit],
    ['ratelimit-remaining', remaining],
  ]);
  return source === undefined ? headers : headers.set('docker-ratelimit-source', source);
}

function limitOf(reserve: RateLimitReserve) {
  const clock = new ManualClock();
  const limit = new RateLimit(clock, reserve);
  const note = (total: number, remaining: number) =>
    limit.note(headersOf(`${total};w=21600`, `${remaining};w=21600`, '192.0.2.1'));
  return { clock, limit, note };
}

test('the headers of a limit are read in Docker Hub’s form and those near it', () => {
  const whole = { limit: 100, remaining: 76, windowMs, source: '192.0.2.1' };
  assert.deepEqual(parseRateLimit(headersOf('100;w=21600', '76;w=21600', '192.0.2.1')), whole);
  assert.deepEqual(parseRateLimit(headersOf('100, 100;w=21600', ' 76 ', '192.0.2.1')), whole);
  assert.deepEqual(parseRateLimit(headersOf('100', '76')), { ...whole, windowMs: undefined, source: undefined });
});

test('headers that make no sense are none', () => {
  for (const [limit, remaining] of [
    ['', '76'],
    ['100', 'many'],
    ['100x', '76'],
    ['-1', '76'],
    ['1e3', '76'],
    ['9'.repeat(20), '76'],
  ] as const) {
    assert.equal(parseRateLimit(headersOf(limit, remaining)), undefined, `${limit} ${remaining}`);
  }
  assert.equal(parseRateLimit(new Map()), undefined);
});

test('what upstream said is believed until its window is over, and not when the clock was set back', () => {
  const { clock, limit, note } = limitOf({ count: 0 });
  const remaining = () => limit.word?.remaining;
  assert.equal(remaining(), undefined);
  note(100, 5);
  const atMs = clock.now();
  clock.advance(windowMs - 1);
  assert.deepEqual(limit.word, { limit: 100, remaining: 5, windowMs, source: '192.0.2.1', atMs });
  limit.note(new Map([['content-type', 'text/html']]));
  assert.equal(remaining(), 5);
  clock.advance(1);
  assert.equal(remaining(), undefined);
  note(100, 5);
  clock.advance(-1);
  assert.equal(remaining(), undefined);
});

test('a limit without a window is believed for an hour', () => {
  const { clock, limit } = limitOf({ count: 0 });
  limit.note(headersOf('100', '76'));
  clock.advance(3_599_999);
  assert.equal(limit.word?.remaining, 76);
  clock.advance(1);
  assert.equal(limit.word, undefined);
});

test('it is low below the reserve, or when nothing is left at all', () => {
  const cases: [RateLimitReserve, number, number, boolean][] = [
    [{ part: 0.1 }, 100, 10, false],
    [{ part: 0.1 }, 100, 9, true],
    [{ part: 0.1 }, 5, 1, false], // a tenth of five is one
    [{ part: 0.1 }, 5, 0, true],
    [{ count: 20 }, 100, 20, false],
    [{ count: 20 }, 100, 19, true],
    [{ count: 20 }, 10, 10, true],
    [{ count: 0 }, 100, 1, false],
    [{ count: 0 }, 100, 0, true],
  ];
  for (const [reserve, total, remaining, isLow] of cases) {
    const { clock, limit, note } = limitOf(reserve);
    assert.equal(limit.isLow, false);
    note(total, remaining);
    assert.equal(limit.isLow, isLow, JSON.stringify([reserve, total, remaining]));
    clock.advance(windowMs);
    assert.equal(limit.isLow, false);
  }
});
