import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { downloadTools, makeObserver, makeSource, type SourceAct } from '../../../test/support/download-rig.ts';
import { readAll } from '../../../test/support/http/read.ts';
import { type Digest, digestOf } from '../../oci/digest.ts';
import type { BlobContent } from '../../oci/registry.ts';
import type { Room } from '../space/space.ts';
import { Download } from './download.ts';

const miss = { kind: 'miss', stored: true, collapsed: false } as const;
const patient = new AbortController().signal;
const maxBytes = 2_000_000;

/** A space that notes who asked, and answers when it may. */
class NotedSpace {
  readonly maxBytes = maxBytes;
  readonly asked: [Digest, number][] = [];
  readonly passed: [Digest, number][] = [];
  released = 0;
  answer: Promise<boolean> = Promise.resolve(true);

  async reserve(digest: Digest, sizeBytes: number): Promise<Room | undefined> {
    this.asked.push([digest, sizeBytes]);
    if (!(await this.answer)) return undefined;
    return { release: () => void this.released++ };
  }

  passedOn(digest: Digest, sizeBytes: number): void {
    this.passed.push([digest, sizeBytes]);
  }

  async removed(): Promise<void> {}
}

function setUp(t: TestContext, sizeBytes: number, acts: readonly SourceAct[] = []) {
  const blob = seededBytes('blob', sizeBytes);
  const space = new NotedSpace();
  const tools = downloadTools(t, { space });
  let created = 0;
  tools.store.faults.create = async () => void created++;
  const [source, state] = makeSource(blob, acts);
  const [observer, observed] = makeObserver();
  const download = new Download(digestOf(blob), source, tools, observer);
  const read = (): Promise<BlobContent> => download.read(undefined, miss, patient);
  const assertPassedOn = () => {
    assert.deepEqual([tools.store.blobs.size, tools.store.openWriters], [0, 0]);
    assert.deepEqual([tools.buffers.out, state.bytesOut, tools.clock.sleeping], [0, 0, 0]);
    assert.deepEqual([observed.diskFailed, observed.failed, observed.stored], [[], [], []]);
    assert.deepEqual([observed.passed, space.released], [[sizeBytes], 0]);
  };
  return { blob, space, tools, state, observed, download, read, assertPassedOn, created: () => created };
}

test('room is taken before a blob is stored, and released when it is', async (t) => {
  const { blob, space, observed, tools, download, read } = setUp(t, maxBytes);
  tools.store.faults.commit = async () => assert.deepEqual([space.asked.length, space.released], [1, 0]);
  const content = await read();
  assert.deepEqual(content.outcome, miss);
  assert.deepEqual(await readAll(content), blob);
  await download.closed;
  assert.deepEqual(space.asked, [[digestOf(blob), maxBytes]]);
  assert.deepEqual([observed.stored, space.released], [[maxBytes], 1]);
});

test('room is released when the blob could not be stored', async (t) => {
  const { space, observed, tools, download, read } = setUp(t, 1000);
  const full = new Error('disk full');
  tools.store.faults.commit = async () => {
    throw full;
  };
  await readAll(await read());
  await download.closed;
  assert.deepEqual([observed.failed, space.released], [[full], 1]);
});

test('readers have all of a blob before there is room for it, and though there is none', async (t) => {
  const { blob, space, download, read, assertPassedOn } = setUp(t, 1_000_000);
  const answer = Promise.withResolvers<boolean>();
  space.answer = answer.promise;
  assert.deepEqual(await readAll(await read()), blob);
  assert.equal(download.joinable, true);
  assert.deepEqual(await readAll(await read()), blob);
  answer.resolve(false);
  await download.closed;
  assertPassedOn();
});

test('a blob larger than the cache is passed on to all who came in time, and never on disk', async (t) => {
  const { blob, space, state, download, read, created, assertPassedOn } = setUp(t, maxBytes + 4_000_000);
  const contents = await Promise.all([read(), read()]);
  assert.deepEqual(contents[0]?.outcome, { ...miss, stored: false });
  assert.equal(download.joinable, false);
  for (const bytes of await Promise.all(contents.map(readAll))) assert.deepEqual(bytes, blob);
  await download.closed;
  assert.deepEqual([space.asked, space.passed, created()], [[], [[digestOf(blob), blob.length]], 0]);
  assert.ok(state.maxBytesOut <= 4 * 1024 * 1024, `${state.maxBytesOut} bytes of the transfer in memory`);
  assertPassedOn();
});

test('a blob of unknown size is not kept any more when it outgrows the cache', async (t) => {
  const { blob, space, download, read, created, assertPassedOn } = setUp(t, maxBytes + 4_000_000, [
    { says: 'unknown' },
  ]);
  const contents = await Promise.all([read(), read()]);
  assert.deepEqual(contents[0]?.outcome, miss);
  for (const bytes of await Promise.all(contents.map(readAll))) assert.deepEqual(bytes, blob);
  await download.closed;
  assert.deepEqual([space.asked, space.passed, created()], [[], [[digestOf(blob), blob.length]], 1]);
  assertPassedOn();
});

test('a blob larger than the cache is not transferred for nobody', async (t) => {
  const { state, download, observed, read, tools } = setUp(t, 20_000_000);
  const content = await read();
  (await content.next())?.release();
  content.close();
  await download.closed;
  assert.ok(state.maxBytesOut < 4 * 1024 * 1024);
  assert.deepEqual([state.closed, tools.buffers.out, state.bytesOut], [1, 0, 0]);
  assert.match(observed.failed[0]?.message ?? '', /^Nobody reads the blob, and it is larger than the cache$/);
});

test('the one reader of a blob larger than the cache may be slow, but nobody else is held up for long', async (t) => {
  const { blob, state, tools, download, read } = setUp(t, maxBytes + 6_000_000);
  const [slow, fast] = await Promise.all([read(), read()]);
  const whole = readAll(fast!);
  const heldUp = async () => {
    while (tools.clock.sleeping === 0 || state.bytesOut > 0) {
      t.signal.throwIfAborted();
      await new Promise(setImmediate);
    }
  };
  await heldUp();
  tools.clock.advance(15_000);
  assert.deepEqual(await whole, blob);
  await assert.rejects(readAll(slow!), /the blob is larger than the cache, and others wait for it$/);
  await download.closed;

  const alone = setUp(t, maxBytes + 6_000_000);
  const content = await alone.read();
  for (let waits = 0; waits < 3; waits++) {
    while (alone.tools.clock.sleeping === 0 || alone.state.bytesOut > 0) await new Promise(setImmediate);
    alone.tools.clock.advance(15_000);
  }
  assert.deepEqual(await readAll(content), alone.blob);
  await alone.download.closed;
  alone.assertPassedOn();
});
