import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { paceOf } from './pacer.ts';

const patient = new AbortController().signal;

test('so many bytes are read in a second, and no more', async () => {
  const clock = new ManualClock();
  const pace = paceOf(1000, clock);
  const beganMs = clock.now();
  await pace(100, patient); // nothing was read before
  for (const bytes of [400, 50, 500]) {
    const waiting = pace(bytes, patient);
    clock.advance((await clock.nextSleep()).delayMs);
    await waiting;
  }
  assert.equal(clock.now() - beganMs, 100 + 400 + 50);
});

test('time that was spent otherwise is not waited for again, nor made up for', async () => {
  const clock = new ManualClock();
  const pace = paceOf(1000, clock);
  await pace(100, patient);
  clock.advance(5000);
  await pace(100, patient);
  assert.equal(clock.sleeping, 0);
  void pace(100, patient);
  assert.equal((await clock.nextSleep()).delayMs, 100);
});

test('a clock that is set back makes nobody wait for longer than the last read costs', async () => {
  const clock = new ManualClock();
  const pace = paceOf(1000, clock);
  await pace(100, patient);
  clock.advance(-3_600_000);
  void pace(100, patient);
  assert.equal((await clock.nextSleep()).delayMs, 100);
});

test('a signal ends the wait', async () => {
  const pace = paceOf(1, new ManualClock());
  const stop = new AbortController();
  await pace(1000, stop.signal);
  const waiting = pace(1, stop.signal);
  stop.abort(new Error('stopped'));
  await assert.rejects(waiting, { message: 'stopped' });
});
