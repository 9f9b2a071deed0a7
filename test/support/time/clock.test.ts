import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from './clock.ts';

const { signal } = new AbortController();

test('advance() wakes, in order, those whose time has come, and no other', async () => {
  const clock = new ManualClock(1000);
  const woken: number[] = [];
  const sleeps = [30, 10, 20, 31].map((delayMs) => clock.sleep(delayMs, signal).then(() => woken.push(delayMs)));
  assert.equal(clock.sleeping, 4);
  clock.advance(9);
  assert.equal(clock.sleeping, 4);
  clock.advance(21);
  await Promise.all(sleeps.slice(0, 3));
  assert.deepEqual(woken, [10, 20, 30]);
  assert.deepEqual([clock.sleeping, clock.now()], [1, 1030]);
  clock.advance(1);
  await Promise.all(sleeps);
});

test('sleep() rejects with the reason of its signal, before or while sleeping, and resolves at once for no time', async () => {
  const clock = new ManualClock();
  const reason = new Error('enough');
  await assert.rejects(clock.sleep(1, AbortSignal.abort(reason)), (error) => error === reason);
  const caller = new AbortController();
  const sleep = clock.sleep(1, caller.signal);
  caller.abort(reason);
  await assert.rejects(sleep, (error) => error === reason);
  await clock.sleep(0, signal);
  assert.equal(clock.sleeping, 0);
});

test('nextSleep() tells of each sleep once, whether it began before or after', async () => {
  const clock = new ManualClock(0);
  void clock.sleep(5, signal);
  void clock.sleep(100, signal);
  assert.equal((await clock.nextSleep((delayMs) => delayMs > 50)).delayMs, 100);
  assert.deepEqual(await clock.nextSleep().then(({ delayMs, dueMs }) => [delayMs, dueMs]), [5, 5]);
  const long = clock.nextSleep((delayMs) => delayMs > 50);
  const any = clock.nextSleep();
  void clock.sleep(7, signal);
  void clock.sleep(70, signal);
  assert.deepEqual([(await long).delayMs, (await any).delayMs], [70, 7]);
  const over = new AbortController();
  const ended = clock.sleep(9, over.signal);
  over.abort();
  await assert.rejects(ended);
  void clock.sleep(11, signal);
  assert.equal((await clock.nextSleep()).delayMs, 11);
});
