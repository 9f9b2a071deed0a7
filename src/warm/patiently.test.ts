import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/support/time/clock.ts';
import { RegistryError } from '../oci/errors.ts';
import { patiently } from './patiently.ts';

const never = new AbortController().signal;

/** Work that fails so many times with an error, and then gives its number. */
function failing(times: number, error: Error) {
  let done = 0;
  return async () => {
    if (done++ < times) throw error;
    return done;
  };
}

/** The waits until something is over. */
async function waitsOf(clock: ManualClock, running: Promise<unknown>): Promise<number[]> {
  const waits: number[] = [];
  let isOver = false;
  const over = running
    .then(
      () => {},
      () => {},
    )
    .then(() => {
      isOver = true;
    });
  while (!isOver) {
    const next = clock
      .nextSleep(() => true)
      .then(({ delayMs }) => {
        waits.push(delayMs);
        clock.advance(delayMs);
      });
    await Promise.race([over, next]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return waits;
}

test('what fails for a reason that passes is done again, after growing waits', async () => {
  const clock = new ManualClock();
  const running = patiently(clock, never, failing(3, new RegistryError('UNAVAILABLE', 'down')));
  assert.deepEqual(await waitsOf(clock, running), [2_000, 4_000, 8_000]);
  assert.equal(await running, 4);
});

test('a registry that says when is believed', async () => {
  const asked = [
    ['5', 5_000],
    ['60', 60_000],
    ['soon', 2_000],
  ] as const;
  for (const [after, waitMs] of asked) {
    const clock = new ManualClock();
    const error = new RegistryError('TOOMANYREQUESTS', 'slow down', { headers: { 'retry-after': after } });
    assert.deepEqual(await waitsOf(clock, patiently(clock, never, failing(1, error))), [waitMs]);
  }
});

// It was asked again after a minute, for each image of a list.
test('a registry that is not to be asked for long is not asked again', async () => {
  const clock = new ManualClock();
  const error = new RegistryError('TOOMANYREQUESTS', 'slow down', { headers: { 'retry-after': '3600' } });
  const running = patiently(clock, never, failing(1, error));
  assert.deepEqual(await waitsOf(clock, running), []);
  await assert.rejects(running, { code: 'TOOMANYREQUESTS' });
});

test('after some tries it is given up, and what does not pass is not tried again', async () => {
  const clock = new ManualClock();
  const down = patiently(clock, never, failing(9, new RegistryError('UNAVAILABLE', 'down')));
  assert.equal((await waitsOf(clock, down)).length, 3);
  await assert.rejects(down, { code: 'UNAVAILABLE' });
  const denied = patiently(clock, never, failing(1, new RegistryError('DENIED', 'no')));
  assert.deepEqual(await waitsOf(clock, denied), []);
  await assert.rejects(denied, { code: 'DENIED' });
});

test('a wait ends with its signal', async () => {
  const stop = new AbortController();
  const running = patiently(new ManualClock(), stop.signal, failing(1, new RegistryError('UNAVAILABLE', 'down')));
  stop.abort(new Error('stopped'));
  await assert.rejects(running, /stopped/);
});
