import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { seededBytes } from '../../../test/support/content/images.ts';
import { endlessSpace } from '../../../test/support/download-rig.ts';
import { EventLog } from '../../../test/support/event-log.ts';
import { readAll } from '../../../test/support/http/read.ts';
import { MemoryBlobStore } from '../../../test/support/memory/memory-blob-store.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import type { MetadataIndex } from '../../index/metadata-index.ts';
import { type Digest, digestOf } from '../../oci/digest.ts';
import { ContentMemory } from './content-memory.ts';
import { Damages } from './damages.ts';
import { ContentInUse } from './in-use.ts';
import { LocalContent } from './local-content.ts';
import { BufferPool } from './reading/buffers.ts';

const hit = { kind: 'hit' } as const;
const small = seededBytes('small', 1000);
const large = seededBytes('large', 200_000);

function failure(code: string): () => Promise<never> {
  return async () => {
    throw Object.assign(new Error(`it fails: ${code}`), { code });
  };
}

function setUp() {
  const store = new MemoryBlobStore();
  for (const bytes of [small, large]) store.blobs.set(digestOf(bytes), bytes);
  const removed: Digest[] = [];
  const index = {
    getContent: async () => undefined,
    removeContent: async (digest: Digest) => void removed.push(digest),
  } as unknown as MetadataIndex;
  const inUse = new ContentInUse();
  const log = new EventLog();
  const damages = new Damages({ store, index, log });
  const tools = { store, index, inUse, damages, log, space: endlessSpace, clock: new ManualClock() };
  const local = new LocalContent({ ...tools, memory: new ContentMemory(), buffers: new BufferPool() });
  return { store, removed, inUse, local, log };
}

test('what cannot be looked up is as if it were not here, and it is here again when it can', async () => {
  const { store, removed, inUse, local } = setUp();
  store.faults.size = failure('EACCES');
  store.faults.open = failure('EIO');
  for (const bytes of [small, large]) {
    const digest = digestOf(bytes);
    assert.equal(await local.size(digest), undefined);
    assert.equal(await local.open(digest, undefined, hit), undefined);
    assert.equal(await local.readWhole(digest), undefined);
    assert.equal(inUse.has(digest), false);
  }
  store.faults.size = undefined;
  store.faults.open = undefined;
  for (const bytes of [small, large]) {
    assert.equal(await local.size(digestOf(bytes)), bytes.length);
    assert.deepEqual(await readAll((await local.open(digestOf(bytes), undefined, hit))!), bytes);
  }
  assert.deepEqual(removed, []);
});

test('small content whose bytes are lost is dropped, and so is not here', async () => {
  const { store, removed, local } = setUp();
  store.faults.read = failure('EIO');
  assert.equal(await local.readWhole(digestOf(small)), undefined);
  assert.deepEqual([removed, store.blobs.has(digestOf(small))], [[digestOf(small)], false]);
});

test('large content whose bytes are lost ends its reader, and is dropped for the next', async () => {
  const { store, removed, inUse, local } = setUp();
  const content = await local.open(digestOf(large), undefined, hit);
  store.faults.read = failure('EIO');
  await assert.rejects(readAll(content!), /EIO/);
  content!.close();
  assert.deepEqual([removed, store.blobs.has(digestOf(large))], [[digestOf(large)], false]);
  assert.equal(inUse.has(digestOf(large)), false);
});

test('a disk that is away for a moment loses nothing', async () => {
  const { store, removed, local } = setUp();
  store.faults.read = failure('ESTALE');
  assert.equal(await local.readWhole(digestOf(small)), undefined);
  const content = await local.open(digestOf(large), undefined, hit);
  await assert.rejects(readAll(content!), /ESTALE/);
  content!.close();
  store.faults.read = undefined;
  assert.deepEqual(removed, []);
  assert.deepEqual(await local.readWhole(digestOf(small)), small);
});

test('content is stored in a file of its own, in place of one that is damaged, and is in memory then', async () => {
  const { store, local } = setUp();
  const digest = digestOf(small);
  store.blobs.set(digest, Buffer.alloc(small.length));
  await local.store(digest, small);
  assert.deepEqual(store.blobs.get(digest), small);
  store.faults.open = failure('EIO');
  assert.deepEqual(await local.readWhole(digest), small);
});

test('content that cannot be stored is not taken for stored', async () => {
  const { store, local } = setUp();
  store.blobs.clear();
  store.faults.commit = failure('ENOSPC');
  await assert.rejects(local.store(digestOf(small), small), { code: 'ENOSPC' });
  assert.equal(await local.size(digestOf(small)), undefined);
});

test('content is closed before what waits for that goes on, and what cannot be closed is told', async () => {
  const { store, inUse, local, log } = setUp();
  const digest = digestOf(large);
  const closing = Promise.withResolvers<void>();
  const open = store.open.bind(store);
  store.open = async (wanted) => {
    const blob = await open(wanted);
    return blob && { ...blob, sizeBytes: blob.sizeBytes, read: blob.read.bind(blob), close: () => closing.promise };
  };
  assert.deepEqual(await readAll((await local.open(digest, undefined, hit))!), large);
  assert.equal(inUse.has(digest), false);
  let isSettled = false;
  const settled = local.settled().then(() => {
    isSettled = true;
  });
  await setImmediate();
  assert.equal(isSettled, false);
  closing.reject(new Error('it was closed before'));
  await settled;
  assert.deepEqual(log.named('stored blob cannot be closed')[0]?.facts, { digest, reason: 'it was closed before' });
  await local.settled();
});
