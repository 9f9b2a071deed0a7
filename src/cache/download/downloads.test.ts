import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { downloadTools, makeObserver, makeSource, type SourceAct } from '../../../test/support/download-rig.ts';
import { readAll } from '../../../test/support/http/read.ts';
import { digestOf } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { ContentInUse } from '../content/in-use.ts';
import { Downloads } from './downloads.ts';

const miss = { kind: 'miss', stored: true, collapsed: false } as const;
const patient = new AbortController().signal;
const blob = seededBytes('blob', 500_000);
const digest = digestOf(blob);

function setUp(t: TestContext) {
  const tools = downloadTools(t);
  const inUse = new ContentInUse();
  const downloads = new Downloads(tools, inUse);
  const start = (acts: readonly SourceAct[] = []) => {
    const [source, state] = makeSource(blob, acts);
    const [observer, observed] = makeObserver();
    return { download: downloads.start(digest, 'docker.io/app', source, observer), state, observed };
  };
  return { tools, downloads, inUse, start };
}

function heldFrom(firstByte: number) {
  const gate = Promise.withResolvers<void>();
  return { gate, acts: [{ holds: (at: number) => (at >= firstByte ? gate.promise : undefined) }] };
}

test('a download is found by its digest, with where it is from, while it is under way', async (t) => {
  const { downloads, start } = setUp(t);
  const { gate, acts } = heldFrom(65_536);
  assert.equal(downloads.get(digest), undefined);
  const { download } = start(acts);
  assert.deepEqual(downloads.get(digest), { download, origin: 'docker.io/app' });
  assert.equal(downloads.get(digestOf(Buffer.from('other'))), undefined);
  assert.equal(downloads.count, 1);
  gate.resolve();
  await download.finished;
  await Promise.resolve();
  assert.equal(downloads.get(digest), undefined);
  assert.equal(downloads.count, 0);
});

test('a download that failed makes way for the next, and does not take it away when it ends later', async (t) => {
  const { downloads, start, tools } = setUp(t);
  const first = heldFrom(65_536);
  const failing = start(first.acts).download;
  const content = await failing.read(undefined, miss, patient);
  tools.store.faults.write = async () => {
    throw new Error('disk full');
  };
  first.gate.resolve();
  while (failing.joinable) {
    t.signal.throwIfAborted();
    await new Promise(setImmediate);
  }
  assert.equal(downloads.get(digest), undefined);
  tools.store.faults.write = async () => {};
  const second = heldFrom(65_536);
  const next = start(second.acts).download;
  assert.deepEqual(await readAll(content), blob);
  await failing.closed;
  assert.equal(downloads.get(digest)?.download, next);
  second.gate.resolve();
  await next.closed;
});

test('a download goes on with what an earlier one has come to, though that is only being closed', async (t) => {
  const { start, tools } = setUp(t);
  const closing = Promise.withResolvers<void>();
  const mayClose = Promise.withResolvers<void>();
  tools.store.faults.close = () => {
    closing.resolve();
    return mayClose.promise;
  };
  const gone = new RegistryError('UNAUTHORIZED', 'Nobody is let in any more');
  const content = await start([{ endsAt: 300_000, breaks: gone }]).download.read(undefined, miss, patient);
  await assert.rejects(readAll(content), gone);
  content.close();
  await closing.promise;
  const { download, state } = start();
  const again = download.read(undefined, miss, patient);
  await new Promise(setImmediate);
  assert.deepEqual(state.starts, []);
  mayClose.resolve();
  assert.deepEqual(await readAll(await again), blob);
  assert.deepEqual(state.starts, [300_000]);
  await download.closed;
});

test('close() ends every download, and resolves when each has let go of everything', async (t) => {
  const { downloads, start, tools } = setUp(t);
  const { acts } = heldFrom(65_536);
  const { download, state, observed } = start(acts);
  const content = await download.read(undefined, miss, patient);
  let isClosed = false;
  const closing = downloads.close().then(() => {
    isClosed = true;
  });
  await assert.rejects(readAll(content), /being stopped/);
  await closing;
  assert.equal(isClosed, true);
  assert.deepEqual([state.closed, state.bytesOut, tools.store.openWriters, tools.store.blobs.size], [1, 0, 0, 0]);
  assert.match(String(observed.failed[0]), /being stopped/);
  assert.equal(downloads.count, 0);
});

test('close() waits for a reader of a download that is over', async (t) => {
  const { downloads, start, tools } = setUp(t);
  const { download } = start();
  const content = await download.read(undefined, miss, patient);
  await download.finished;
  let isClosed = false;
  const closing = downloads.close().then(() => {
    isClosed = true;
  });
  await new Promise(setImmediate);
  assert.equal(isClosed, false);
  content.close();
  await closing;
  assert.equal(tools.store.openWriters, 0);
});

test('a download that is begun after close() ends at once', async (t) => {
  const { downloads, start, tools } = setUp(t);
  await downloads.close();
  const { download } = start();
  await assert.rejects(download.read(undefined, miss, patient).then(readAll), /being stopped/);
  await download.closed;
  assert.deepEqual([tools.store.openWriters, tools.store.blobs.size], [0, 0]);
});

test('what is downloaded is in use until the last reader of the download has left', async (t) => {
  const { downloads, inUse, start } = setUp(t);
  const { download } = start();
  const content = await download.read(undefined, miss, patient);
  await download.finished;
  assert.deepEqual([downloads.count, inUse.has(digest)], [0, true]);
  content.close();
  await download.closed;
  await new Promise(setImmediate);
  assert.equal(inUse.has(digest), false);
});
