import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { downloadTools, makeObserver, makeSource, type SourceAct } from '../../../test/support/download-rig.ts';
import { readAll } from '../../../test/support/http/read.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { digestOf } from '../../oci/digest.ts';
import { ContentInUse } from '../content/in-use.ts';
import { DownloadQueue, maxWaitMs } from './download-queue.ts';
import { Downloads } from './downloads.ts';

const miss = { kind: 'miss', stored: true, collapsed: false } as const;
const patient = new AbortController().signal;

/** Enters, and notes when its turn has come. */
function enter(queue: DownloadQueue, name: string, order: string[], signal = patient): Promise<() => void> {
  const turn = queue.enter(signal);
  turn.then(
    () => order.push(name),
    () => {},
  );
  return turn;
}

test('as many as may go on at once do, and the others follow in the order in which they came', async () => {
  const queue = new DownloadQueue(2, new ManualClock());
  const order: string[] = [];
  const turns = ['a', 'b', 'c', 'd', 'e'].map((name) => enter(queue, name, order));
  const [endA, endB] = await Promise.all(turns.slice(0, 2));
  assert.deepEqual([order, queue.waiting], [['a', 'b'], 3]);
  endB!();
  (await turns[2])!();
  (await turns[3])!();
  await turns[4];
  assert.deepEqual([order, queue.waiting], [['a', 'b', 'c', 'd', 'e'], 0]);
  endA!();
});

test('a turn that nobody waits for is free for the next', async () => {
  const queue = new DownloadQueue(1, new ManualClock());
  for (let round = 0; round < 3; round++) (await queue.enter(patient))();
  assert.equal(queue.waiting, 0);
});

test('whoever leaves frees the place, and is never given a turn', async () => {
  const clock = new ManualClock();
  const queue = new DownloadQueue(1, clock);
  const order: string[] = [];
  const end = await queue.enter(patient);
  const leaving = new AbortController();
  const left = enter(queue, 'left', order, leaving.signal);
  const next = enter(queue, 'next', order);
  const reason = new Error('gone');
  leaving.abort(reason);
  await assert.rejects(left, reason);
  assert.equal(queue.waiting, 1);
  end();
  await next;
  assert.deepEqual([order, clock.sleeping], [['next'], 0]);
  await assert.rejects(queue.enter(leaving.signal), reason);
});

test('nobody waits longer than a client would: then it is 503, to be tried again', async () => {
  const clock = new ManualClock();
  const queue = new DownloadQueue(1, clock);
  await queue.enter(patient);
  const late = queue.enter(patient);
  clock.advance(maxWaitMs - 1);
  assert.equal(queue.waiting, 1);
  clock.advance(1);
  await assert.rejects(late, { code: 'UNAVAILABLE', status: 503, headers: { 'retry-after': '5' } });
  assert.deepEqual([queue.waiting, clock.sleeping], [0, 0]);
  assert.ok(maxWaitMs < 30_000, 'containerd waits 30 s for a head');
});

function setUp(t: TestContext) {
  const tools = downloadTools(t, { maxCount: 1 });
  const downloads = new Downloads(tools, new ContentInUse());
  const gate = Promise.withResolvers<void>();
  const start = (name: string, acts: readonly SourceAct[] = [{ holds: () => gate.promise }]) => {
    const blob = seededBytes(name, 100_000);
    const [source, state] = makeSource(blob, acts);
    const [observer, observed] = makeObserver();
    return { blob, download: downloads.start(digestOf(blob), 'docker.io/app', source, observer), state, observed };
  };
  return { tools, downloads, gate, start };
}

test('a download that waits asks nothing of upstream, can be joined, and goes on when it is its turn', async (t) => {
  const { downloads, gate, start } = setUp(t);
  const first = start('first');
  const second = start('second', []);
  const readers = [1, 2].map(() => second.download.read(undefined, miss, patient).then(readAll));
  await new Promise(setImmediate);
  assert.deepEqual([downloads.count, downloads.waiting, second.state.starts], [1, 1, []]);
  assert.equal(downloads.get(second.download.digest)?.download, second.download);
  gate.resolve();
  for (const bytes of await Promise.all(readers)) assert.deepEqual(bytes, second.blob);
  await Promise.all([first.download.closed, second.download.closed]);
  assert.deepEqual([downloads.count, downloads.waiting], [0, 0]);
});

test('a download that waits ends when its last reader leaves', async (t) => {
  const { tools, downloads, gate, start } = setUp(t);
  const first = start('first');
  const second = start('second');
  const leaving = new AbortController();
  const read = second.download.read(undefined, miss, leaving.signal);
  leaving.abort(new Error('the client has gone'));
  await assert.rejects(read, /the client has gone/);
  assert.equal(downloads.get(second.download.digest), undefined);
  await second.download.closed;
  assert.deepEqual([downloads.waiting, second.state.starts, tools.clock.sleeping], [0, [], 0]);
  gate.resolve();
  await first.download.closed;
});

test('close() ends those that wait, too', async (t) => {
  const { downloads, start } = setUp(t);
  start('first');
  const second = start('second');
  const read = second.download.read(undefined, miss, patient);
  const closing = downloads.close();
  await assert.rejects(read, /being stopped/);
  await closing;
  assert.deepEqual([downloads.count, downloads.waiting], [0, 0]);
});
