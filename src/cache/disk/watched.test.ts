import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../../test/support/content/collect.ts';
import { MemoryBlobStore } from '../../../test/support/memory/memory-blob-store.ts';
import { MemoryRecordStore } from '../../../test/support/memory/memory-record-store.ts';
import { MemoryUploadStore } from '../../../test/support/memory/memory-upload-store.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import type { MetadataIndex, RepositoryKey } from '../../index/metadata-index.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Repository, Tag } from '../../oci/reference.ts';
import { silentLog } from '../../util/log/log.ts';
import { DiskHealth } from './disk-health.ts';
import { watchRecords, watchUploads } from './watched-hosted.ts';
import { watchIndexHealth } from './watched-index.ts';
import { watchStore } from './watched-store.ts';

const bytes = Buffer.from('some layer');
const digest = digestOf(bytes);
const key: RepositoryKey = { registry: 'docker.io', repository: 'library/app' as Repository };
const broken = Object.assign(new Error('it fails'), { code: 'EIO' });
const breaks = async (): Promise<never> => {
  throw broken;
};

function failing(disk: DiskHealth): string[] {
  return disk.troubles.map(({ part, action, code }) => `${part} ${action} ${code}`).sort();
}

function watchedStore() {
  const store = new MemoryBlobStore();
  const disk = new DiskHealth(silentLog, new ManualClock());
  return { store, disk, watched: watchStore(store, disk) };
}

test('a store that cannot be written fails until a blob was stored, and the error is the same', async () => {
  const { store, disk, watched } = watchedStore();
  store.faults.create = breaks;
  await assert.rejects(watched.create(digest), broken);
  delete store.faults.create;
  const writer = await watched.create(digest);
  store.faults.write = breaks;
  await assert.rejects(writer.write(bytes, 0), broken);
  delete store.faults.write;
  await writer.write(bytes, 0);
  assert.deepEqual(failing(disk), ['store write EIO']);
  await writer.commit();
  assert.deepEqual(failing(disk), []);
  await writer.close();
  assert.deepEqual(store.blobs.get(digest), bytes);
});

test('a store that cannot be read fails until something was looked up, or read', async () => {
  const { store, disk, watched } = watchedStore();
  store.blobs.set(digest, bytes);
  store.faults.open = breaks;
  await assert.rejects(watched.open(digest), broken);
  assert.deepEqual(failing(disk), ['store read EIO']);
  delete store.faults.open;
  const blob = await watched.open(digest);
  assert.deepEqual(failing(disk), []);
  const into = Buffer.alloc(100);
  store.faults.read = breaks;
  await assert.rejects(async () => blob?.read(into, 0), broken);
  assert.deepEqual(failing(disk), ['store read EIO']);
  delete store.faults.read;
  assert.equal(await blob?.read(into, 5), 5);
  assert.deepEqual(failing(disk), []);
  await blob?.close();
});

test('what was left of a download is taken over through a watched store, too', async () => {
  const { store, disk, watched } = watchedStore();
  store.kept.set(digest, bytes.subarray(0, 4));
  assert.deepEqual(await watched.partials(), { count: 1, sizeBytes: 4 });
  const partial = await watched.resume(digest);
  assert.equal(partial?.sizeBytes, 4);
  await partial.writer.close({ keep: true });
  assert.equal(store.kept.get(digest)?.length, 4);
  assert.equal(await watched.resume(digestOf(Buffer.from('other'))), undefined);
  store.faults.resume = breaks;
  await assert.rejects(watched.resume(digest), broken);
  assert.deepEqual(failing(disk), ['store write EIO']);
});

test('uploads and records that cannot be written fail until something was stored, and the errors are the same', async () => {
  const disk = new DiskHealth(silentLog, new ManualClock());
  const blobs = new Map();
  const [inner, records] = [new MemoryUploadStore(blobs), new MemoryRecordStore()];
  const uploads = watchUploads(inner, disk);
  const watched = watchRecords(records, disk);
  inner.faults.begin = breaks;
  await assert.rejects(uploads.beginUpload(key.repository), broken);
  delete inner.faults.begin;
  const upload = await uploads.beginUpload(key.repository);
  inner.faults.append = breaks;
  await assert.rejects(upload.append(bytes), broken);
  delete inner.faults.append;
  inner.faults.claim = breaks;
  await assert.rejects(uploads.claimUpload(upload.id), broken);
  delete inner.faults.claim;
  assert.equal(await uploads.claimUpload(upload.id), 'ours');
  await upload.append(bytes);
  assert.deepEqual(
    [upload.sizeBytes, upload.repository, failing(disk)],
    [bytes.length, key.repository, ['store write EIO']],
  );
  await upload.commit(digest);
  await upload.close();
  assert.deepEqual([failing(disk), inner.open, blobs.get(digest)], [[], 0, bytes]);
  records.faults.put = breaks;
  await assert.rejects(watched.putRecord('a/_tags/b', bytes), broken);
  delete records.faults.put;
  assert.equal(await watched.removeRecord('a/_tags/b'), false);
  assert.deepEqual(failing(disk), ['store write EIO']);
  await watched.putRecord('a/_tags/b', bytes);
  assert.deepEqual(failing(disk), []);
  assert.deepEqual(Buffer.from((await watched.getRecord('a/_tags/b'))!), bytes);
  assert.deepEqual(await collect(watched.listRecords()), await collect(records.listRecords()));
});

test('what runs beside the storing, and fails, is no failure of the store, and fails the whole', async () => {
  const disk = new DiskHealth(silentLog, new ManualClock());
  const uploads = watchUploads(new MemoryUploadStore(new Map()), disk);
  const upload = await uploads.beginUpload(key.repository);
  await assert.rejects(upload.commit(digest, breaks), broken);
  assert.deepEqual(failing(disk), []);
  await upload.close();
});

test('uploads and records that cannot be read fail until something was read', async () => {
  const disk = new DiskHealth(silentLog, new ManualClock());
  const [inner, records] = [new MemoryUploadStore(new Map()), new MemoryRecordStore()];
  const uploads = watchUploads(inner, disk);
  const watched = watchRecords(records, disk);
  const { id } = await uploads.beginUpload(key.repository);
  inner.faults.stat = breaks;
  await assert.rejects(uploads.statUpload(id), broken);
  assert.deepEqual(failing(disk), ['store read EIO']);
  delete inner.faults.stat;
  assert.deepEqual(await uploads.statUpload(id), await inner.statUpload(id));
  assert.deepEqual(failing(disk), []);
  records.faults.get = breaks;
  await assert.rejects(watched.getRecord('a/_tags/b'), broken);
  assert.deepEqual(failing(disk), ['store read EIO']);
  const upload = await uploads.openUpload(id);
  await upload?.read(Buffer.alloc(10), 0);
  assert.deepEqual(failing(disk), []);
  assert.deepEqual(await collect(uploads.listUploads()), await collect(inner.listUploads()));
  assert.equal(await uploads.removeUpload(id), true);
  assert.equal(await uploads.openUpload(id), undefined);
});

test('a tag or link that an index cannot look up is none, and everything else fails', async () => {
  const disk = new DiskHealth(silentLog, new ManualClock());
  let isBroken = true;
  const entry = { mediaType: undefined, sizeBytes: 1 };
  const answer = (value: unknown) => async () => (isBroken ? breaks() : value);
  const index = watchIndexHealth(
    {
      getTag: answer(undefined),
      getLink: answer(entry),
      getContent: answer(undefined),
      totals: answer({ contents: 0, sizeBytes: 0 }),
      putContent: answer(undefined),
      close: async () => {},
    } as unknown as MetadataIndex,
    disk,
  );
  assert.equal(await index.getTag(key, 'latest' as Tag), undefined);
  assert.equal(await index.getLink(key, digest), undefined);
  assert.deepEqual(failing(disk), ['index read EIO']);
  await assert.rejects(index.getContent(digest), broken);
  await assert.rejects(index.totals(), broken);
  await assert.rejects(index.putContent(digest, 1, 0), broken);
  assert.deepEqual(failing(disk), ['index read EIO', 'index write EIO']);
  isBroken = false;
  assert.deepEqual(await index.getLink(key, digest), entry);
  assert.deepEqual(failing(disk), ['index write EIO']);
  await index.putContent(digest, 1, 0);
  assert.deepEqual(failing(disk), []);
  await index.close();
});

test('an index that is not where it was opened is told of until it is, whatever is read and written meanwhile', async () => {
  const disk = new DiskHealth(silentLog, new ManualClock());
  let isThere = false;
  const index = {
    changedElsewhere: async () => isThere || breaks(),
    getTag: async () => undefined,
    unpin: async () => true,
  } as unknown as MetadataIndex;
  const watched = watchIndexHealth(index, disk);
  await assert.rejects(watched.changedElsewhere(), broken);
  await watched.getTag(key, 'v1' as Tag);
  await watched.unpin(key, 'v1' as Tag);
  assert.deepEqual(failing(disk), ['index find EIO']);
  isThere = true;
  await watched.changedElsewhere();
  assert.deepEqual(failing(disk), []);
});
