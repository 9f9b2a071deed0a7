import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { EventLog } from '../../../test/support/event-log.ts';
import { MemoryUploadStore } from '../../../test/support/memory/memory-upload-store.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { parseRepository } from '../../oci/reference.ts';
import { IdleUploads } from './idle-uploads.ts';

const repository = parseRepository('team/app');

function setUp() {
  const clock = new ManualClock();
  const log = new EventLog();
  const store = new MemoryUploadStore(new Map());
  return { clock, log, store, idle: new IdleUploads({ clock, log }) };
}

test('an upload that was just begun is there, open, for the request that goes on with it, once', async () => {
  const { idle, store } = setUp();
  const upload = await store.beginUpload(repository);
  idle.put(upload);
  assert.equal(idle.take(upload.id), upload);
  assert.equal(idle.take(upload.id), undefined);
  await idle.close();
  assert.equal(store.open, 1, 'who took it closes it');
});

test('one with which nobody goes on is closed after a while, a later one later', async () => {
  const { idle, store, clock } = setUp();
  idle.put(await store.beginUpload(repository));
  await clock.nextSleep((delayMs) => delayMs === 10_000);
  const late = await store.beginUpload(repository);
  idle.put(late);
  clock.advance(10_000);
  await clock.nextSleep((delayMs) => delayMs === 10_000);
  await idle.closed();
  assert.equal(store.open, 1);
  clock.advance(10_000);
  while (store.open > 0) await setImmediate();
  assert.equal(idle.take(late.id), undefined);
  idle.put(await store.beginUpload(repository));
  await clock.nextSleep((delayMs) => delayMs === 10_000);
  await idle.close();
  assert.equal(store.open, 0);
});

test('of many the oldest are closed', async () => {
  const { idle, store } = setUp();
  const uploads = await Promise.all(Array.from({ length: 70 }, () => store.beginUpload(repository)));
  for (const upload of uploads) idle.put(upload);
  await idle.closed();
  assert.equal(store.open, 64);
  assert.equal(idle.take(uploads[5]!.id), undefined);
  assert.equal(idle.take(uploads[6]!.id), uploads[6]);
  await uploads[6]!.close();
  await idle.close();
  assert.equal(store.open, 0);
});

test('what cannot be closed is said, and keeps nothing from being closed', async () => {
  const { idle, store, log } = setUp();
  const upload = await store.beginUpload(repository);
  const close = async () => {
    await upload.close();
    throw new Error('the disk is full');
  };
  idle.put({ ...upload, sizeBytes: 0, close });
  await idle.close();
  assert.deepEqual(log.named('upload cannot be kept')[0]?.facts, {
    upload: upload.id,
    repository,
    reason: 'the disk is full',
  });
});
