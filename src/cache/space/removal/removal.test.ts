import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLog } from '../../../../test/support/event-log.ts';
import { type Digest, digestOf } from '../../../oci/digest.ts';
import { Removal } from './removal.ts';

const [a, b, c] = ['a', 'b', 'c'].map((text) => digestOf(Buffer.from(text))) as [Digest, Digest, Digest];

function setUp() {
  const did: string[] = [];
  const log = new EventLog();
  const faults: { index?: Error; file?: Digest; held?: Promise<void>; hosted?: Digest; linked?: Digest } = {};
  const removal = new Removal({
    index: {
      async removeContents(digests) {
        if (faults.index) throw faults.index;
        did.push(`rows of ${digests.length}`);
        return digests.filter((digest) => digest !== faults.hosted);
      },
      async listUnlinked(digests) {
        return digests.filter((digest) => digest !== faults.linked);
      },
    },
    store: {
      async open(digest) {
        await faults.held;
        const remove = async () => {
          if (digest === faults.file) throw new Error('I/O error');
          did.push(`file ${digest}`);
          return true;
        };
        return { sizeBytes: 0, read: async () => 0, remove, close: async () => void did.push(`closed ${digest}`) };
      },
    },
    memory: { remove: (digest) => void did.push(`memory ${digest}`) },
    log,
  });
  return { removal, did, log, faults };
}

test('contents go from the index together, then from memory and the disk one after the other', async () => {
  const { removal, did } = setUp();
  await removal.remove([a, b]);
  const ofEach = [a, b].flatMap((digest) => [`memory ${digest}`, `file ${digest}`, `closed ${digest}`]);
  assert.deepEqual(did, ['rows of 2', ...ofEach]);
});

test('what the index keeps, as it is hosted, stays in memory and on the disk', async () => {
  const { removal, did, faults } = setUp();
  faults.hosted = a;
  assert.deepEqual(await removal.remove([a, b]), [b]);
  assert.deepEqual(did, ['rows of 2', `memory ${b}`, `file ${b}`, `closed ${b}`]);
});

test('a file that somebody has linked again since the rows went stays', async () => {
  const { removal, did, faults } = setUp();
  faults.linked = a;
  await removal.remove([a]);
  assert.deepEqual(did, ['rows of 1', `memory ${a}`, `closed ${a}`]);
});

test('a file that cannot be removed is told of, and the others go', async () => {
  const { removal, did, log, faults } = setUp();
  faults.file = a;
  await removal.remove([a, b]);
  assert.deepEqual(did.slice(2), [`closed ${a}`, `memory ${b}`, `file ${b}`, `closed ${b}`]);
  assert.deepEqual(log.events, [
    { level: 'error', event: 'blob cannot be removed', facts: { digest: a, reason: 'I/O error' } },
  ]);
});

test('no file goes while the index still knows of it', async () => {
  const { removal, did, faults } = setUp();
  faults.index = new Error('index failed');
  await assert.rejects(removal.remove([a]), faults.index);
  assert.deepEqual(did, []);
  await removal.settled(a);
});

test('who is to store what is just being removed waits until its file is gone', async () => {
  const { removal, did, faults } = setUp();
  const gate = Promise.withResolvers<void>();
  faults.held = gate.promise;
  const removing = removal.remove([a, b]);
  await removal.settled(c);
  const settled = removal.settled(b).then(() => did.push('settled'));
  gate.resolve();
  await Promise.all([removing, settled]);
  assert.deepEqual(did.slice(-2), [`closed ${b}`, 'settled']);
});

for (const order of ['first', 'last']) {
  test(`and of two removals of it, as eviction and garbage collection, for both: when the ${order} ends first`, async () => {
    const { removal, did, faults } = setUp();
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const removals: Promise<unknown>[] = [];
    for (const { promise } of gates) {
      faults.held = promise;
      removals.push(removal.remove([a]));
      await new Promise(setImmediate); // it opens the file
    }
    const [early, late] = order === 'first' ? [0, 1] : [1, 0];
    gates[early]!.resolve();
    await removals[early];
    const settled = removal.settled(a).then(() => did.push('settled'));
    await new Promise(setImmediate);
    assert.equal(did.includes('settled'), false);
    gates[late]!.resolve();
    await Promise.all([...removals, settled]);
    assert.deepEqual(did.slice(-2), [`closed ${a}`, 'settled']);
  });
}
