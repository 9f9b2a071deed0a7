import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { turns } from '../../../test/support/upstream/scripted-server.ts';
import { skipSleeps } from '../../../test/support/upstream/upstream-client.ts';
import { ByteRate } from './byte-rate.ts';

const patient = new AbortController().signal;

function setUp(bytesPerSecond: number) {
  const clock = new ManualClock();
  const startMs = clock.now();
  return { clock, rate: new ByteRate(bytesPerSecond, clock), elapsedMs: () => clock.now() - startMs };
}

for (const [bytesPerSecond, chunkBytes] of [
  [1_000_000, 65_536],
  [1_000_000, 1_048_576],
  [100_000_000, 16_384],
  [10_000, 1_000],
] as const) {
  test(`${bytesPerSecond} bytes a second in chunks of ${chunkBytes} take the time that they should`, async () => {
    const { clock, rate, elapsedMs } = setUp(bytesPerSecond);
    skipSleeps(clock);
    const count = Math.ceil((20 * bytesPerSecond) / chunkBytes);
    for (let chunk = 0; chunk < count; chunk++) await rate.take(chunkBytes, patient);
    const lastMs = (1000 * chunkBytes) / bytesPerSecond; // nobody waits for it
    const fullMs = count * lastMs;
    assert.ok(Math.abs(elapsedMs() - (fullMs - lastMs)) <= 0.01 * fullMs, `${elapsedMs()} ms of ${fullMs}`);
  });
}

test('the first bytes do not wait, the next wait for them', async () => {
  const { clock, rate } = setUp(1_000);
  await rate.take(5_000, patient);
  const second = rate.take(1, patient);
  assert.equal((await clock.nextSleep()).delayMs, 5_000 - 100); // what it had saved up before
  clock.advance(4_900);
  await second;
});

test('a fast rate sets no timer for each chunk', async () => {
  const { clock, rate } = setUp(100_000_000);
  const sleeps = skipSleeps(clock);
  for (let chunk = 0; chunk < 1_000; chunk++) await rate.take(100_000, patient); // each a millisecond's worth
  assert.ok(sleeps.length <= 1_000 / 20, `${sleeps.length} sleeps`);
});

test('what was not used for a long time is not made up for', async () => {
  const { clock, rate, elapsedMs } = setUp(1_000);
  await rate.take(1_000, patient);
  clock.advance(3_600_000);
  const startMs = elapsedMs();
  skipSleeps(clock);
  for (let chunk = 0; chunk < 10; chunk++) await rate.take(1_000, patient);
  assert.ok(elapsedMs() - startMs >= 8_900, `${elapsedMs() - startMs} ms`);
});

test('those who wait take their turn in the order in which they came', async () => {
  const { clock, rate } = setUp(1_000);
  skipSleeps(clock);
  const order: string[] = [];
  await Promise.all(
    ['a', 'b', 'c', 'd'].map(async (name) => {
      await rate.take(1_000, patient);
      order.push(name);
    }),
  );
  assert.deepEqual(order, ['a', 'b', 'c', 'd']);
});

test('who leaves takes nothing, whether it was its turn or not', async () => {
  const { clock, rate } = setUp(1_000);
  await rate.take(1_100, patient);
  const leaving = [new AbortController(), new AbortController()];
  const left = leaving.map(({ signal }) => rate.take(1_000_000, signal));
  const third = rate.take(1, patient);
  for (const controller of leaving.toReversed()) controller.abort(new Error('left'));
  for (const each of left) await assert.rejects(each, { message: 'left' });
  await turns();
  assert.equal(clock.sleeping, 1);
  clock.advance(1_000);
  await third;
});

test('a clock that is set back does not stop everything', async () => {
  const { clock, rate } = setUp(1_000);
  await rate.take(1_000, patient);
  clock.advance(-3_600_000);
  const second = rate.take(1_000, patient);
  assert.ok((await clock.nextSleep()).delayMs <= 1_020);
  clock.advance(1_020);
  await second;
  const third = rate.take(1_000, patient);
  assert.ok((await clock.nextSleep()).delayMs <= 1_000);
  clock.advance(1_000);
  await third;
});
