import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EventLog } from '../../../test/support/event-log.ts';
import { HostedStage } from '../../../test/support/stages/hosted-stage.ts';
import type { ManualClock } from '../../../test/support/time/clock.ts';
import type { CollectedGarbage } from './collect-garbage.ts';
import { GarbageCollector } from './garbage-collector.ts';

const hourMs = 3_600_000;
const loose = Buffer.from('a loose blob');

function setUp(t: TestContext, everyMs: number | undefined) {
  const stage = new HostedStage(t);
  const clock = stage.clock as ManualClock;
  const log = new EventLog();
  const runs: CollectedGarbage[] = [];
  const ran: (() => void)[] = [];
  const { index, records, locks } = stage.tools;
  const collector = new GarbageCollector(
    { everyMs, graceMs: hourMs, untagged: false },
    {
      ...{ index, records, locks, clock, log },
      remove: async (digests) => digests,
      collected(garbage) {
        runs.push(garbage);
        ran.pop()?.();
      },
    },
  );
  t.after(() => collector.stop());
  /** Lets time go by, and waits for the run that comes with it. */
  const pass = async (ms: number) => {
    const run = new Promise<void>((resolve) => ran.push(resolve));
    clock.advance(ms);
    await run;
  };
  return { stage, clock, log, runs, collector, pass };
}

test('garbage is collected soon after the start, and then as often as is said', async (t) => {
  const { stage, clock, runs, log, collector, pass } = setUp(t, 24 * hourMs);
  await stage.putBlob(loose);
  collector.start();
  clock.advance(9 * 60_000);
  await pass(60_000);
  assert.deepEqual(
    runs.map(({ blobs, waiting }) => [blobs, waiting.blobs]),
    [[0, 1]],
  );
  assert.equal(log.events.length, 0);
  await new Promise(setImmediate); // it begins to sleep
  await pass(24 * hourMs);
  assert.deepEqual(
    runs.map(({ blobs }) => blobs),
    [0, 1],
  );
  assert.equal(log.events[0]?.event, 'garbage collected');
  assert.equal(log.events[0]?.facts['blobs'], 1);
});

test('a failure is told, and the next time it is tried again', async (t) => {
  const { stage, log, runs, collector, clock, pass } = setUp(t, hourMs);
  const { listHeld } = stage.index;
  stage.index.listHeld = () => Promise.reject(new Error('the disk failed'));
  collector.start();
  clock.advance(10 * 60_000);
  await log.waitFor('garbage cannot be collected', 1);
  stage.index.listHeld = listHeld;
  await new Promise(setImmediate);
  await pass(hourMs);
  assert.equal(runs.length, 1);
});

test('without an interval nothing is ever collected, and stopping waits for nothing', async (t) => {
  const { runs, collector, clock } = setUp(t, undefined);
  collector.start();
  clock.advance(1000 * hourMs);
  await collector.stop();
  assert.deepEqual(runs, []);
});
