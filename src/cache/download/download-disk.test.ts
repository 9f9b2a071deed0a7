import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import {
  downloadTools,
  makeObserver,
  makeSource,
  type SourceAct,
  unavailable,
} from '../../../test/support/download-rig.ts';
import { readAll } from '../../../test/support/http/read.ts';
import { digestOf } from '../../oci/digest.ts';
import type { BlobContent } from '../../oci/registry.ts';
import { Download } from './download.ts';

const miss = { kind: 'miss', stored: true, collapsed: false } as const;
const patient = new AbortController().signal;
const diskFull = new Error('disk full');
const laggardMs = 15_000;

function setUp(t: TestContext, sizeBytes: number, acts: readonly SourceAct[] = []) {
  const blob = seededBytes('blob', sizeBytes);
  const tools = downloadTools(t, { policy: { laggardMs } });
  const [source, state] = makeSource(blob, acts);
  const [observer, observed] = makeObserver();
  const begin = () => {
    const download = new Download(digestOf(blob), source, tools, observer);
    const read = (): Promise<BlobContent> => download.read(undefined, miss, patient);
    return { download, read };
  };
  const failFrom = (firstByte: number) => {
    tools.store.faults.write = async (position) => {
      if (position >= firstByte) throw diskFull;
    };
  };
  /** The transfer waits for readers alone: all that has come is hashed, and kept. */
  const heldUp = async () => {
    while (tools.clock.sleeping === 0 || state.bytesOut > 0) {
      t.signal.throwIfAborted();
      await new Promise(setImmediate);
    }
  };
  const assertNothingLeft = () => {
    assert.deepEqual([tools.store.blobs.size, tools.store.openWriters], [0, 0]);
    assert.deepEqual([tools.buffers.out, state.bytesOut, tools.clock.sleeping], [0, 0, 0]);
    assert.deepEqual(observed.stored, []);
  };
  return { blob, tools, state, observed, begin, failFrom, heldUp, assertNothingLeft };
}

for (const firstByte of [0, 1_000_000, 5_999_999]) {
  test(`a disk that fails from byte ${firstByte} on ends no reader, and stores nothing`, async (t) => {
    const { blob, observed, begin, failFrom, assertNothingLeft } = setUp(t, 6_000_000);
    failFrom(Math.floor(firstByte / 65_536) * 65_536);
    const { download, read } = begin();
    const contents = await Promise.all([read(), read(), read()]);
    for (const bytes of await Promise.all(contents.map(readAll))) assert.deepEqual(bytes, blob);
    await download.closed;
    assert.deepEqual(observed.diskFailed, [diskFull]);
    assert.deepEqual(observed.failed, [diskFull]);
    assertNothingLeft();
  });
}

test('a spool that cannot be made ends no reader, and stores nothing', async (t) => {
  const { blob, tools, observed, begin, assertNothingLeft } = setUp(t, 6_000_000);
  tools.store.faults.create = async () => {
    throw diskFull;
  };
  const { download, read } = begin();
  assert.deepEqual(await readAll(await read()), blob);
  await download.closed;
  assert.deepEqual([observed.diskFailed, observed.failed], [[diskFull], [diskFull]]);
  assertNothingLeft();
});

test('a commit that fails ends no reader, and stores nothing', async (t) => {
  const { blob, tools, observed, begin, assertNothingLeft } = setUp(t, 1_000_000);
  tools.store.faults.commit = async () => {
    throw diskFull;
  };
  const { download, read } = begin();
  const [early, slow] = await Promise.all([read(), read()]);
  assert.deepEqual(await readAll(early), blob);
  await download.finished;
  assert.deepEqual(await readAll(slow), blob);
  await download.closed;
  assert.deepEqual([observed.diskFailed, observed.failed], [[], [diskFull]]);
  assertNothingLeft();
});

test('a download whose disk fails while nobody reads ends at once', async (t) => {
  const { state, observed, begin, failFrom, assertNothingLeft } = setUp(t, 6_000_000);
  failFrom(65_536);
  const { download } = begin();
  await download.closed;
  assert.deepEqual(observed.diskFailed, [diskFull]);
  assert.equal(state.closed, 1);
  assertNothingLeft();
});

test('a download whose disk has failed ends when its last reader leaves', async (t) => {
  const gate = Promise.withResolvers<void>();
  const holds = (position: number) => (position >= 131_072 ? gate.promise : undefined);
  const { observed, begin, failFrom, assertNothingLeft } = setUp(t, 6_000_000, [{ holds }]);
  failFrom(65_536);
  const { download, read } = begin();
  const contents = await Promise.all([read(), read()]);
  for (const content of contents) (await content.next())?.release();
  contents[0]?.close();
  assert.deepEqual(observed.failed, []);
  contents[1]?.close();
  await download.closed;
  assert.deepEqual(observed.failed, [diskFull]);
  assertNothingLeft();
});

test('a download whose disk has failed cannot be joined', async (t) => {
  const gate = Promise.withResolvers<void>();
  const holds = (position: number) => (position >= 131_072 ? gate.promise : undefined);
  const { blob, tools, begin } = setUp(t, 1_000_000, [{ holds }]);
  const failing = Promise.withResolvers<void>();
  tools.store.faults.write = async () => {
    failing.resolve();
    throw diskFull;
  };
  const { download, read } = begin();
  const content = await read();
  assert.equal(download.joinable, true);
  await failing.promise;
  await new Promise(setImmediate);
  assert.equal(download.joinable, false);
  gate.resolve();
  assert.deepEqual(await readAll(content), blob);
  await download.closed;
});

test('a download whose disk has failed goes on when upstream breaks', async (t) => {
  const acts = [{ endsAt: 3_000_000, breaks: unavailable() }];
  const { blob, tools, state, begin, failFrom, assertNothingLeft } = setUp(t, 6_000_000, acts);
  failFrom(1_048_576);
  const { download, read } = begin();
  const reading = read().then(readAll);
  tools.clock.advance((await tools.clock.nextSleep((delayMs) => delayMs === 200)).delayMs);
  assert.deepEqual(await reading, blob);
  await download.closed;
  assert.deepEqual(state.starts, [0, 3_000_000]);
  assertNothingLeft();
});

test('a reader that holds up the others of a failed disk is cut off after its time, though it never reads on', async (t) => {
  const { blob, tools, begin, failFrom, heldUp, assertNothingLeft } = setUp(t, 12 * 1024 * 1024);
  failFrom(1_048_576);
  const { download, read } = begin();
  const [stuck, other] = await Promise.all([read(), read()]);
  const first = await stuck.next();
  const reading = readAll(other);
  await heldUp();
  tools.clock.advance(laggardMs - 1);
  await new Promise(setImmediate);
  assert.equal(tools.clock.sleeping, 1);
  tools.clock.advance(1);
  assert.deepEqual(await reading, blob);
  assert.deepEqual(Buffer.from(first!.bytes), blob.subarray(0, first!.bytes.length));
  first?.release();
  await assert.rejects(stuck.next(), /the disk here fails/);
  stuck.close();
  await download.closed;
  assertNothingLeft();
});

test('a reader that is cut off while it is the last leaves nothing behind', async (t) => {
  const { tools, observed, begin, failFrom, heldUp, assertNothingLeft } = setUp(t, 12 * 1024 * 1024);
  failFrom(0);
  const { download, read } = begin();
  const content = await read();
  await heldUp();
  tools.clock.advance(laggardMs);
  await download.closed;
  await assert.rejects(content.next(), /the disk here fails/);
  content.close();
  assert.deepEqual(observed.failed, [diskFull]);
  assertNothingLeft();
});
