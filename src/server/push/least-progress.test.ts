import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { watchProgress } from './least-progress.ts';

const minuteMs = 60_000;
const kibibyte = 1024;

/** A watch over a body, and what it was found too slow with. */
function setUp(t: TestContext) {
  const clock = new ManualClock();
  const found: string[] = [];
  const watch = watchProgress(clock, ({ status, message }) => found.push(`${status} ${message}`));
  t.after(() => watch.end());
  /** Lets minutes pass, one by one. */
  async function pass(minutes: number, each = () => {}): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) {
      each();
      clock.advance(minuteMs);
      await new Promise(setImmediate);
    }
  }
  const send = (sizeBytes: number) => {
    watch.came(sizeBytes);
    watch.waits();
  };
  return { watch, clock, found, pass, send };
}

// One upload was held for ever by a byte a minute.
test('a body of which a byte comes each minute is too slow after ten', async (t) => {
  const { found, pass, send, clock } = setUp(t);
  await pass(9, () => send(1));
  assert.deepEqual(found, []);
  await pass(1, () => send(1));
  assert.match(found.join(), /^408 .*: 10 bytes came in 10 minutes, at least 65536 must/);
  assert.equal(clock.sleeping, 0);
});

test('so is one of which nothing comes at all, whatever its framing has', async (t) => {
  const { found, pass } = setUp(t);
  await pass(10);
  assert.equal(found.length, 1);
});

test('one that comes as slowly as a satellite telephone is let be', async (t) => {
  const { found, pass, send } = setUp(t);
  await pass(600, () => send(18 * kibibyte));
  assert.deepEqual(found, []);
});

test('one that was silent for five minutes in ten is let be', async (t) => {
  const { found, pass, send } = setUp(t);
  for (let hour = 0; hour < 6; hour++) {
    await pass(5);
    await pass(5, () => send(18 * kibibyte));
  }
  assert.deepEqual(found, []);
});

test('one that is being kept from sending is let be, and counts again when it is not', async (t) => {
  const { found, pass, watch } = setUp(t);
  await pass(5);
  watch.came(10);
  await pass(60);
  assert.deepEqual(found, []);
  watch.waits();
  await pass(5);
  assert.equal(found.length, 1);
});

test('when it is over nothing waits', async (t) => {
  const { watch, clock, found, pass } = setUp(t);
  assert.equal(clock.sleeping, 1);
  watch.end();
  assert.equal(clock.sleeping, 0);
  await pass(10);
  assert.deepEqual(found, []);
});
