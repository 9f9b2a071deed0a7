import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { isWithin, systemClock } from './clock.ts';

test('the machine’s clock tells milliseconds since the epoch', () => {
  const before = Date.now();
  const now = systemClock.now();
  assert.ok(now >= before && now <= Date.now());
});

test('isWithin() says whether something was noted less than so long ago, and no of the future', () => {
  const rows = [
    [1_000, true],
    [1_099, true],
    [1_100, false],
    [999, false],
    [-1_000_000, false],
  ] as const;
  for (const [nowMs, expected] of rows) assert.equal(isWithin(1_000, 100, nowMs), expected, `${nowMs}`);
});

test('sleep() resolves when its time has come, not before, and lets go of the signal', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { signal } = new AbortController();
  let awake = false;
  const sleeping = systemClock.sleep(1_000, signal).then(() => {
    awake = true;
  });
  t.mock.timers.tick(999);
  await Promise.resolve();
  assert.equal(awake, false);
  t.mock.timers.tick(1);
  await sleeping;
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('sleep() rejects with the signal’s reason, before and while it sleeps', async () => {
  const reason = new Error('enough');
  const hourMs = 60 * 60 * 1000;
  await assert.rejects(systemClock.sleep(hourMs, AbortSignal.abort(reason)), reason);
  const controller = new AbortController();
  const sleeping = systemClock.sleep(hourMs, controller.signal);
  controller.abort(reason);
  await assert.rejects(sleeping, reason);
});
