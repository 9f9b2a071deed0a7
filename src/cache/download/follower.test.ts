import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { downloadTools, makeObserver, makeSource, type SourceAct } from '../../../test/support/download-rig.ts';
import { readAll } from '../../../test/support/http/read.ts';
import { MemoryBlobStore } from '../../../test/support/memory/memory-blob-store.ts';
import { digestOf } from '../../oci/digest.ts';
import type { BlobContent, RequestedRange } from '../../oci/registry.ts';
import { BufferPool, bufferTiers } from '../content/reading/buffers.ts';
import { Download } from './download.ts';
import { Follower } from './follower.ts';
import { Spool } from './spool.ts';

const miss = { kind: 'miss', stored: true, collapsed: false } as const;
const patient = new AbortController().signal;

function setUp(t: TestContext, sizeBytes: number, acts: readonly SourceAct[] = []) {
  const blob = seededBytes('blob', sizeBytes);
  const tools = downloadTools(t);
  const [source, state] = makeSource(blob, acts);
  const [observer, observed] = makeObserver();
  const download = new Download(digestOf(blob), source, tools, observer);
  const read = (range?: RequestedRange, signal = patient) => download.read(range, miss, signal);
  return { blob, tools, state, observed, download, read };
}

/** Takes chunks until this byte has come, and gives them back. */
async function readTo(content: BlobContent, end: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let position = content.start; position < end; ) {
    const chunk = await content.next();
    assert.ok(chunk);
    pieces.push(Buffer.from(chunk.bytes));
    position += chunk.bytes.length;
    chunk.release();
  }
  return Buffer.concat(pieces);
}

test('a transfer does not wait for its readers, and holds no more memory for many than for one, nor do they', async (t) => {
  const { blob, tools, state, download, read } = setUp(t, 12 * 1024 * 1024);
  const contents = await Promise.all(Array.from({ length: 40 }, () => read()));
  // Each has taken two chunks, as a response does whose client reads no more, and keeps them.
  const kept = await Promise.all(contents.map(async (content) => [await content.next(), await content.next()]));
  await download.finished;
  assert.equal(tools.store.blobs.size, 1);
  assert.ok(state.maxBytesOut <= 4 * 1024 * 1024, `${state.maxBytesOut} bytes of the transfer in memory`);
  assert.equal(state.bytesOut, 0);
  assert.ok(tools.buffers.out <= 8, `${tools.buffers.out} buffers for what 40 readers have of the same bytes`);
  for (const chunks of kept) for (const chunk of chunks) chunk?.release();
  for (const content of contents.slice(1)) content.close();
  const positions = kept[0]!.reduce((sum, chunk) => sum + chunk!.bytes.length, 0);
  assert.deepEqual(await readAll(contents[0]!), blob.subarray(positions));
  assert.equal(tools.buffers.out, 0);
  await download.closed;
});

test('readers at any pace get the same bytes', async (t) => {
  const { blob, read, download } = setUp(t, 3_000_000);
  const paces = [0, 1, 3].map(async (turns) => {
    const content = await read();
    const pieces: Buffer[] = [];
    for (let chunk = await content.next(); chunk; chunk = await content.next()) {
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      pieces.push(Buffer.from(chunk.bytes));
      chunk.release();
    }
    content.close();
    return Buffer.concat(pieces);
  });
  for (const bytes of await Promise.all(paces)) assert.deepEqual(bytes, blob);
  await download.closed;
});

test('a reader waits for its first byte, and ends with its last, wherever they are', async (t) => {
  const gate = Promise.withResolvers<void>();
  const holds = (position: number) => (position >= 524_288 ? gate.promise : undefined);
  const { blob, read, download } = setUp(t, 1_000_000, [{ holds }]);
  const before = await read({ start: 10, end: 19 });
  assert.deepEqual(await readAll(before), blob.subarray(10, 20));
  const across = await read({ start: 524_280, end: 524_299 });
  assert.deepEqual(await readTo(across, 524_288), blob.subarray(524_280, 524_288));
  const ahead = read({ start: 900_000, end: 900_009 }).then(readAll);
  const last = read({ suffixLength: 1 }).then(readAll);
  const rest = readAll(across);
  await assert.rejects(read({ start: 1_000_000 }), { code: 'RANGE_INVALID' });
  gate.resolve();
  assert.deepEqual(await rest, blob.subarray(524_288, 524_300));
  assert.deepEqual(await ahead, blob.subarray(900_000, 900_010));
  assert.deepEqual(await last, blob.subarray(-1));
  await download.closed;
});

test('a reader that leaves before the transfer has begun is gone, and the transfer goes on', async (t) => {
  const opening = Promise.withResolvers<void>();
  const blob = seededBytes('blob', 1000);
  const tools = downloadTools(t);
  const [source] = makeSource(blob, []);
  const [observer, observed] = makeObserver();
  const slowly: typeof source = async (start, signal) => {
    await opening.promise;
    return source(start, signal);
  };
  const download = new Download(digestOf(blob), slowly, tools, observer);
  const leaving = new AbortController();
  const reading = download.read(undefined, miss, leaving.signal);
  const reason = new Error('left');
  leaving.abort(reason);
  await assert.rejects(reading, reason);
  opening.resolve();
  await download.closed;
  assert.deepEqual(observed.stored, [1000]);
});

test('a reader that is closed while it waits rejects, and keeps nothing', async (t) => {
  const gate = Promise.withResolvers<void>();
  const holds = (position: number) => (position > 0 ? gate.promise : undefined);
  const { tools, download, read, observed } = setUp(t, 1_000_000, [{ holds }]);
  const content = await read();
  await readTo(content, bufferTiers.at(-1)!.sizeBytes);
  const waiting = content.next();
  content.close();
  content.close();
  await assert.rejects(waiting, /was closed/);
  await assert.rejects(content.next(), /was closed/);
  gate.resolve();
  await download.closed;
  assert.deepEqual(observed.stored, [1_000_000]);
  assert.equal(tools.buffers.out, 0);
});

test('the spool stays until the last reader has left, though the transfer is over', async (t) => {
  const { blob, tools, download, read } = setUp(t, 1_000_000);
  const [first, second] = await Promise.all([read(), read()]);
  await download.finished;
  assert.equal(tools.store.openWriters, 1);
  assert.deepEqual(await readAll(first), blob);
  assert.equal(tools.store.openWriters, 1);
  assert.deepEqual(await readAll(second), blob);
  await download.closed;
  assert.equal(tools.store.openWriters, 0);
});

test('readers of a download that is aborted get the reason, after what had come', async (t) => {
  const gate = Promise.withResolvers<void>();
  const holds = (position: number) => (position >= 65_536 ? gate.promise : undefined);
  const { blob, tools, state, download, read, observed } = setUp(t, 1_000_000, [{ holds }]);
  const content = await read();
  const reason = new Error('stopping');
  assert.deepEqual(await readTo(content, 65_536), blob.subarray(0, 65_536));
  download.abort(reason);
  await assert.rejects(content.next(), reason);
  content.close();
  await download.closed;
  assert.deepEqual(observed.failed, [reason]);
  assert.deepEqual([state.closed, state.bytesOut, tools.store.openWriters, tools.store.blobs.size], [1, 0, 0, 0]);
});

test('a reader whose turn it is to read has bytes from then on: nothing takes them away before it has read them', async () => {
  const blob = seededBytes('blob', 1000);
  const spool = new Spool(new MemoryBlobStore(), digestOf(blob), new BufferPool(), () => {});
  await spool.open();
  spool.append({ bytes: blob, release() {} }, Promise.resolve());
  const [sizeBytes, visibleBytes] = [2000, 1000];
  const followed = { spool, sizeBytes, visibleBytes, partialBytes: 0, failure: undefined, verified: false };
  const follower = new Follower(followed, miss, () => {});
  follower.begin(undefined);
  const reading = follower.next();
  spool.hide(); // which cuts off those that have bytes, and waits for them
  assert.equal(follower.hasBytes, true);
  const chunk = await reading;
  assert.deepEqual(chunk?.bytes, blob);
  chunk?.release();
  follower.close();
  await spool.settled();
  await spool.close();
});
