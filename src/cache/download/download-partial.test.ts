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
import { RegistryError } from '../../oci/errors.ts';
import type { BlobContent, RequestedRange } from '../../oci/registry.ts';
import { Download } from './download.ts';

const miss = { kind: 'miss', stored: true, collapsed: false } as const;
const patient = new AbortController().signal;
const blob = seededBytes('blob', 1_000_000);
const digest = digestOf(blob);
const leftBytes = 400_000;

interface SetUp {
  readonly left?: Buffer;
  readonly acts?: readonly SourceAct[];
  readonly sent?: Buffer;
}

function setUp(t: TestContext, { left = Buffer.from(blob.subarray(0, leftBytes)), acts = [], sent = blob }: SetUp) {
  const tools = downloadTools(t, { policy: { maxFruitlessTries: 0 } });
  if (left.length > 0) tools.store.kept.set(digest, left);
  const [source, state] = makeSource(sent, acts);
  const [observer, observed] = makeObserver();
  const begin = () => new Download(digest, source, tools, observer);
  return { tools, state, observed, begin };
}

function wrongLeft(): Buffer {
  const left = Buffer.from(blob.subarray(0, leftBytes));
  left[7]! ^= 1;
  return left;
}

function read(download: Download, range?: RequestedRange): Promise<BlobContent> {
  return download.read(range, miss, patient);
}

test('a download goes on with what is left of an earlier one, from its last byte', async (t) => {
  const { tools, state, observed, begin } = setUp(t, {});
  const download = begin();
  assert.deepEqual(await readAll(await read(download)), blob);
  await download.closed;
  assert.deepEqual(tools.store.blobs.get(digest), blob);
  assert.deepEqual([state.starts, observed.continued, observed.stored], [[leftBytes], [leftBytes], [blob.length]]);
  assert.deepEqual([state.bytesOut, tools.buffers.out, tools.store.openWriters, tools.store.kept.size], [0, 0, 0, 0]);
});

test('when what is left is wrong and nobody has got any of it, it is fetched anew, and nobody notices', async (t) => {
  const { tools, state, observed, begin } = setUp(t, { left: wrongLeft() });
  const download = begin();
  const part = await read(download, { start: 0, end: 99 });
  assert.deepEqual(await readAll(part), blob.subarray(0, 100));
  await download.closed;
  assert.deepEqual(tools.store.blobs.get(digest), blob);
  assert.deepEqual([state.starts, observed.begunAnew.length, observed.failed], [[leftBytes, 0], 1, []]);
  assert.deepEqual([tools.store.openWriters, tools.store.kept.size], [0, 0]);
});

test('who has got some of what was wrong is cut off, and who waits gets what is right', async (t) => {
  const held = Promise.withResolvers<void>();
  const holds = () => held.promise;
  const { tools, begin } = setUp(t, { left: wrongLeft(), acts: [{ holds }] });
  const download = begin();
  const [whole, part] = await Promise.all([read(download), read(download, { start: 100_000, end: 500_000 })]);
  const waiting = readAll(part!);
  const chunk = await whole!.next();
  chunk!.release();
  held.resolve();
  await assert.rejects(readAll(whole!), /the bytes from upstream are/);
  assert.deepEqual(await waiting, blob.subarray(100_000, 500_001));
  assert.deepEqual(await readAll(await read(download)), blob);
  await download.closed;
  assert.deepEqual([tools.buffers.out, tools.store.openWriters], [0, 0]);
});

test('it is fetched anew only once', async (t) => {
  const sent = Buffer.from(blob);
  sent[900_000]! ^= 1;
  const { tools, state, observed, begin } = setUp(t, { sent });
  await begin().closed;
  assert.deepEqual([state.starts, observed.begunAnew.length, observed.failed.length], [[leftBytes, 0], 1, 1]);
  assert.deepEqual([tools.store.blobs.size, tools.store.kept.size], [0, 0]);
});

test('what cannot be read from the disk is fetched anew', async (t) => {
  const { tools, state, observed, begin } = setUp(t, {});
  tools.store.faults.read = async () => {
    throw new Error('input/output error');
  };
  const download = begin();
  await download.closed;
  assert.deepEqual(tools.store.blobs.get(digest), blob);
  assert.deepEqual([state.starts, observed.begunAnew.map(String)], [[leftBytes, 0], ['Error: input/output error']]);
});

test('what cannot be taken over is fetched', async (t) => {
  const { tools, state, begin } = setUp(t, {});
  tools.store.faults.resume = async () => {
    throw new Error('permission denied');
  };
  assert.deepEqual(await readAll(await read(begin())), blob);
  assert.deepEqual(state.starts, [0]);
});

test('what has come is left to the next when upstream breaks for good, or the download is ended', async (t) => {
  const breaking = setUp(t, { left: Buffer.alloc(0), acts: [{ endsAt: 300_000, breaks: unavailable() }] });
  await breaking.begin().closed;
  assert.deepEqual(breaking.tools.store.kept.get(digest), blob.subarray(0, 300_000));

  const held = Promise.withResolvers<void>();
  const holds = (position: number) => (position > leftBytes + 200_000 ? held.promise : undefined);
  const ended = setUp(t, { acts: [{ holds }] });
  const download = ended.begin();
  const content = await read(download);
  for (let missing = leftBytes + 200_000; missing > 0; ) {
    const chunk = await content.next();
    missing -= chunk!.bytes.length;
    chunk!.release();
  }
  download.abort(new Error('stopped'));
  await assert.rejects(readAll(content), /stopped/);
  await download.closed;
  const kept = ended.tools.store.kept.get(digest)!;
  assert.ok(kept.length >= leftBytes + 200_000, `${kept.length} bytes are left`);
  assert.deepEqual(kept, blob.subarray(0, kept.length));
});

test('what was left stays when upstream refuses to go on, and when it does not answer', async (t) => {
  for (const refuses of [new RegistryError('BLOB_UNKNOWN', 'not here'), unavailable()]) {
    const { tools, begin } = setUp(t, { acts: [{ refuses }] });
    const download = begin();
    await assert.rejects(read(download), refuses);
    await download.closed;
    assert.deepEqual(tools.store.kept.get(digest), blob.subarray(0, leftBytes));
  }
});

test('nothing is left of what the disk failed to take', async (t) => {
  const { tools, begin } = setUp(t, {});
  tools.store.faults.write = async () => {
    throw new Error('disk full');
  };
  assert.deepEqual(await readAll(await read(begin())), blob);
  assert.deepEqual([tools.store.blobs.size, tools.store.kept.size, tools.store.openWriters], [0, 0, 0]);
});
