import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  maxTimerMs,
  parseDuration,
  parseDurationAboveZero,
  parseDurationOrForever,
  parseDurationOrNone,
} from './duration.ts';

test('parseDuration() reads every unit, and several in a row', () => {
  const durations: [string, number][] = [
    ['0', 0],
    ['0s', 0],
    ['500ms', 500],
    ['60s', 60_000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1h30m', 5_400_000],
    ['30d', 30 * 86_400_000],
  ];
  for (const [text, durationMs] of durations) assert.equal(parseDuration(text), durationMs, text);
});

test('parseDuration() refuses a number without a unit, and what is no duration', () => {
  for (const text of ['', '60', '5 m', '-5s', '5x', 's', '1h 30m', '5M']) {
    assert.throws(() => parseDuration(text), /expected a duration, such as/, text);
  }
});

test('parseDuration() refuses more than a limit', () => {
  assert.equal(parseDuration('24d', maxTimerMs), 24 * 86_400_000);
  assert.throws(() => parseDuration('25d', maxTimerMs), /at most 24d/);
});

test('parseDurationOrNone() reads a duration above zero, or none', () => {
  assert.equal(parseDurationOrNone('30d'), 30 * 86_400_000);
  assert.equal(parseDurationOrNone('none'), undefined);
  for (const text of ['0', '0s', 'None', '30'])
    assert.throws(() => parseDurationOrNone(text), /^Error: expected a dur/);
});

test('parseDurationOrForever() reads a duration, or forever', () => {
  assert.equal(parseDurationOrForever('7d'), 7 * 86_400_000);
  assert.equal(parseDurationOrForever('0'), 0);
  assert.equal(parseDurationOrForever('forever'), Number.POSITIVE_INFINITY);
  for (const text of ['none', 'Infinity', '30', '-1s', '']) {
    assert.throws(() => parseDurationOrForever(text), /^Error: expected a duration, such as 1h, 7d, or forever$/);
  }
});

test('parseDurationAboveZero() refuses no time at all', () => {
  assert.equal(parseDurationAboveZero('1s'), 1000);
  for (const text of ['0', '0s', 'none', '5'])
    assert.throws(() => parseDurationAboveZero(text), /expected a duration/, text);
});
