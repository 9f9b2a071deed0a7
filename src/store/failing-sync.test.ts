import assert from 'node:assert/strict';
import fs from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { collect } from '../../test/support/content/collect.ts';
import { tmpDir } from '../../test/support/disk/tmp.ts';
import { digestOf } from '../oci/digest.ts';
import { parseRepository } from '../oci/reference.ts';

// A disk that tells once that it could not write, as Linux does, cannot be had: the call to the system is another one
// here. So it is put in place before the store is loaded.
const { fsync, openSync } = fs;
let failures = 0;
fs.fsync = Object.assign(
  (descriptor: number, done: fs.NoParamCallback) => {
    if (failures-- > 0) done(Object.assign(new Error('EIO'), { code: 'EIO', errno: -5, syscall: 'fsync' }));
    else fsync(descriptor, done);
  },
  { __promisify__: fsync.__promisify__ },
);
const { openFileStores } = await import('./files/fs.ts');

const bytes = Buffer.from('the bytes of a layer');
const digest = digestOf(bytes);
const isFailure = { code: 'EIO', message: /i\/o error \(EIO\)$/ };

test('an upload that the disk could not write is no more: nobody goes on with what may not be there', async (t) => {
  const folder = tmpDir(t, { assertClosed: true });
  const { uploads, store } = await openFileStores(folder);
  const upload = await uploads.beginUpload(parseRepository('team/app'));
  await upload.append(bytes);
  failures = 1;
  await assert.rejects(upload.commit(digest), isFailure);
  assert.equal(await uploads.openUpload(upload.id), undefined);
  await assert.rejects(upload.commit(digest), isFailure, 'a second try does not sync anything');
  await upload.close();
  await uploads.close();
  assert.deepEqual(await readdir(join(folder, 'uploads-v1')), []);
  assert.equal(await store.size(digest), undefined);
});

test('a blob that the disk could not write is not kept for whoever would go on with it', async (t) => {
  const { store } = await openFileStores(tmpDir(t, { assertClosed: true }));
  const writer = await store.create(digest);
  await writer.write(bytes, 0);
  failures = 1;
  await assert.rejects(writer.commit(), isFailure);
  await assert.rejects(writer.commit(), isFailure);
  await writer.close({ keep: true });
  assert.deepEqual(await store.partials(), { count: 0, sizeBytes: 0 });
  assert.equal(await store.size(digest), undefined);
});

test('a record that the disk could not write is the old one, and can be written again', async (t) => {
  const folder = tmpDir(t, { assertClosed: true });
  const { records } = await openFileStores(folder);
  await records.putRecord('app/_tags/latest', Buffer.from('old'));
  failures = 1;
  await assert.rejects(records.putRecord('app/_tags/latest', bytes), isFailure);
  assert.deepEqual(
    (await collect(records.listRecords())).map((record) => Buffer.from(record.bytes).toString()),
    ['old'],
  );
  assert.deepEqual(await readdir(join(folder, 'records-v1', '.new')), []);
  await records.putRecord('app/_tags/latest', bytes);
  assert.deepEqual(Buffer.from((await records.getRecord('app/_tags/latest'))!), bytes);
});

test('a record whose removal the disk could not write is there still, and whoever tries again removes it for good', async (t) => {
  const folder = tmpDir(t, { assertClosed: true });
  const { records } = await openFileStores(folder);
  await records.putRecord('app/_tags/latest', bytes);
  failures = 1;
  await assert.rejects(records.removeRecord('app/_tags/latest'), isFailure);
  assert.deepEqual(Buffer.from((await records.getRecord('app/_tags/latest'))!), bytes);
  let synced = 0;
  t.mock.method(fs, 'openSync', (...[path, ...rest]: Parameters<typeof openSync>) => {
    if (path === join(folder, 'records-v1', 'app', '_tags')) synced++;
    return openSync(path, ...rest);
  });
  assert.equal(await records.removeRecord('app/_tags/latest'), true);
  assert.equal(synced, 1, 'its folder is synced again');
  assert.equal(await records.getRecord('app/_tags/latest'), undefined);
  assert.deepEqual(await readdir(join(folder, 'records-v1', '.new')), []);
  assert.equal(await records.removeRecord('app/_tags/latest'), false);
});
