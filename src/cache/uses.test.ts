import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../test/support/time/clock.ts';
import type { MetadataIndex, Use } from '../index/metadata-index.ts';
import { type Digest, digestOf } from '../oci/digest.ts';
import { UseRecorder } from './uses.ts';

const [a, b] = ['a', 'b'].map((text) => digestOf(Buffer.from(text))) as [Digest, Digest];

/** Uses for an index that notes what it is told of, and fails while `failure` is set. */
function setUp(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const written: [Digest, Use][][] = [];
  const state = { failure: undefined as Error | undefined };
  const index: Partial<MetadataIndex> = {
    async recordUses(uses) {
      if (state.failure) throw state.failure;
      written.push([...uses]);
    },
  };
  const clock = new ManualClock(1000);
  const errors: Error[] = [];
  const uses = new UseRecorder(index as MetadataIndex, clock, (error) => errors.push(error));
  return { uses, clock, written, errors, state };
}

test('uses are written together, after five seconds, with the time of the last and the number of hits', (t) => {
  const { uses, clock, written } = setUp(t);
  uses.record(a);
  clock.advance(10);
  uses.record(b, 0);
  clock.advance(10);
  uses.record(a);
  t.mock.timers.tick(4_999);
  assert.deepEqual(written, []);
  t.mock.timers.tick(1);
  assert.deepEqual(written, [
    [
      [a, { atMs: 1020, hits: 2 }],
      [b, { atMs: 1010, hits: 0 }],
    ],
  ]);
});

test('uses are written once, and later ones after another five seconds', async (t) => {
  const { uses, clock, written } = setUp(t);
  uses.record(a);
  t.mock.timers.tick(5_000);
  t.mock.timers.tick(60_000);
  assert.equal(written.length, 1);
  clock.advance(1);
  uses.record(a);
  t.mock.timers.tick(5_000);
  await uses.flush(); // which waits for what the timer began
  assert.deepEqual(written, [[[a, { atMs: 1000, hits: 1 }]], [[a, { atMs: 1001, hits: 1 }]]]);
});

test('flush() writes at once what was gathered, and nothing when there is nothing', async (t) => {
  const { uses, written } = setUp(t);
  await uses.flush();
  assert.deepEqual(written, []);
  uses.record(a);
  await uses.flush();
  assert.deepEqual(written, [[[a, { atMs: 1000, hits: 1 }]]]);
  t.mock.timers.tick(60_000);
  assert.equal(written.length, 1);
});

test('flush() never rejects: it tells of the failure, and later uses are written again', async (t) => {
  const { uses, written, errors, state } = setUp(t);
  state.failure = new Error('disk full');
  uses.record(a);
  await uses.flush();
  assert.deepEqual(errors, [state.failure]);
  state.failure = undefined;
  uses.record(b);
  await uses.flush();
  assert.deepEqual(written, [[[b, { atMs: 1000, hits: 1 }]]]);
});

test('who asks for uses to be written waits for those that are being written, too', async (t) => {
  const { clock } = setUp(t);
  const held = Promise.withResolvers<void>();
  const written: Digest[] = [];
  const index: Partial<MetadataIndex> = {
    async recordUses(batch) {
      if (written.length === 0) await held.promise;
      written.push(...batch.keys());
    },
  };
  const uses = new UseRecorder(index as MetadataIndex, clock, (error) => assert.fail(error));
  uses.record(a);
  void uses.flush();
  uses.record(b);
  const second = uses.flush().then(() => assert.deepEqual(written, [a, b]));
  assert.deepEqual(written, []);
  held.resolve();
  await second;
});
