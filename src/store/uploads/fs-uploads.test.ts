import assert from 'node:assert/strict';
import { mkdir, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { uploadStoreContract } from '../../../test/contract/upload-store-contract.ts';
import { collect } from '../../../test/support/collect.ts';
import { smallDisk } from '../../../test/support/small-disk.ts';
import { tmpDir } from '../../../test/support/tmp.ts';
import { digestOf } from '../../oci/digest.ts';
import { parseRepository } from '../../oci/reference.ts';
import { openFileStores } from '../files/fs.ts';

uploadStoreContract('openFileStores()', (t) => openFileStores(tmpDir(t, { assertClosed: true })));

const repository = parseRepository('team/app');
const bytes = Buffer.from('the bytes of a layer');
const digest = digestOf(bytes);

async function setUp(t: TestContext) {
  const folder = tmpDir(t, { assertClosed: true });
  return { folder, top: join(folder, 'uploads-v1'), ...(await openFileStores(folder)) };
}

test('an upload is two files that only the owner may read, and none after the commit', async (t) => {
  const { folder, top, uploads } = await setUp(t);
  const upload = await uploads.beginUpload(repository);
  await upload.append(bytes);
  assert.deepEqual((await readdir(top)).sort(), [`${upload.id}.json`, `${upload.id}.upload`]);
  for (const name of await readdir(top)) assert.equal((await stat(join(top, name))).mode & 0o777, 0o600);
  assert.equal((await stat(top)).mode & 0o777, 0o700);
  await upload.commit(digest);
  await upload.close();
  assert.deepEqual(await readdir(top), []);
  assert.deepEqual(await readdir(join(folder, 'spool-v1')), []);
});

test('an upload is there for the next store that is opened, and can be written by it', async (t) => {
  const { folder, uploads } = await setUp(t);
  const first = await uploads.beginUpload(repository);
  await first.append(bytes.subarray(0, 5));
  await first.close();
  const next = await openFileStores(folder);
  assert.deepEqual(await next.uploads.statUpload(first.id), await uploads.statUpload(first.id));
  const second = await next.uploads.openUpload(first.id);
  await second?.append(bytes.subarray(5));
  await second?.commit(digest);
  await second?.close();
  assert.equal(await next.store.size(digest), bytes.length);
});

test('an upload of which half is missing or broken is none, and is left over', async (t) => {
  const { folder, top, uploads, store } = await setUp(t);
  const begin = async () => {
    const upload = await uploads.beginUpload(repository);
    await upload.append(bytes);
    await upload.close();
    return upload.id;
  };
  const [whole, bare, empty, broken, strange, odd, gone] = await Promise.all(Array.from({ length: 7 }, begin));
  await rm(join(top, `${bare}.json`));
  await truncate(join(top, `${empty}.json`));
  await writeFile(join(top, `${broken}.json`), '{"repository":"team/app","beganAt');
  await writeFile(join(top, `${strange}.json`), '{"repository":"../../etc","beganAtMs":1}');
  await writeFile(join(top, `${odd}.json`), 'null');
  await rm(join(top, `${gone}.upload`));
  await writeFile(join(top, 'notes.txt'), 'stray');
  const { uploads: next } = await openFileStores(folder);
  for (const id of [bare, empty, broken, strange, odd, gone]) {
    assert.equal(await next.statUpload(id!), undefined);
    assert.equal(await next.openUpload(id!), undefined);
  }
  const ids = (await collect(uploads.listUploads())).map(({ id }) => id);
  assert.deepEqual(ids, [whole]);
  const left = await collect(store.listLeftovers());
  const both = [empty, broken, strange, odd].flatMap((id) => [`${id}.json`, `${id}.upload`]);
  const names = [...both, `${bare}.upload`, 'notes.txt'];
  assert.deepEqual(left.map(({ path }) => path).sort(), names.map((name) => join(top, name)).sort());
  for (const leftover of left) await leftover.remove();
  assert.deepEqual((await readdir(top)).sort(), [`${whole}.json`, `${whole}.upload`]);
});

test('what a process that was killed left to say of an upload without bytes is removed at the next start', async (t) => {
  const { folder, top, uploads } = await setUp(t);
  const [gone, kept] = [await uploads.beginUpload(repository), await uploads.beginUpload(repository)];
  for (const upload of [gone, kept]) await upload.close();
  await rm(join(top, `${gone.id}.upload`));
  await writeFile(join(top, `${'0'.repeat(32)}.json`), '{"repo');
  const next = await openFileStores(folder);
  assert.deepEqual((await readdir(top)).sort(), [`${kept.id}.json`, `${kept.id}.upload`]);
  assert.deepEqual((await next.uploads.statUpload(kept.id))?.repository, repository);
});

test('uploads go on after their folder was emptied', async (t) => {
  const { folder, uploads, store } = await setUp(t);
  for (const name of ['uploads-v1', 'blobs-v1']) await rm(join(folder, name), { recursive: true });
  assert.deepEqual(await collect(uploads.listUploads()), []);
  const upload = await uploads.beginUpload(repository);
  await upload.append(bytes);
  await upload.commit(digest);
  await upload.close();
  assert.equal(await store.size(digest), bytes.length);
});

test('a commit that fails says where and keeps the code; the upload stays, and can be committed later', async (t) => {
  const { folder, uploads, store } = await setUp(t);
  const upload = await uploads.beginUpload(repository);
  await upload.append(bytes);
  const blobs = join(folder, 'blobs-v1', 'sha256');
  await rename(blobs, `${blobs}.away`);
  await writeFile(blobs, 'in the way');
  await assert.rejects(upload.commit(digest), {
    code: 'ENOTDIR',
    message: `Cannot store the upload "${join(folder, 'uploads-v1', upload.id)}.upload": not a directory (ENOTDIR)`,
  });
  assert.equal((await uploads.statUpload(upload.id))?.sizeBytes, bytes.length);
  await rm(blobs);
  await rename(`${blobs}.away`, blobs);
  await upload.commit(digest);
  await upload.close();
  assert.equal(await store.size(digest), bytes.length);
  assert.deepEqual(await collect(uploads.listUploads()), []);
});

test('an upload that cannot be begun leaves nothing', async (t) => {
  const { top, uploads } = await setUp(t);
  await rm(top, { recursive: true });
  await writeFile(top, 'in the way');
  await assert.rejects(uploads.beginUpload(repository), { code: 'ENOTDIR', message: /^Cannot begin the upload "/ });
  await rm(top);
  await mkdir(top);
  await (await uploads.beginUpload(repository)).close();
  assert.equal((await readdir(top)).length, 2);
});

test('a full disk is ENOSPC, takes a piece as a whole or not at all, and can be written when it has room', async (t) => {
  const folder = smallDisk(t, 512 * 1024);
  const { uploads, store } = await openFileStores(folder);
  const upload = await uploads.beginUpload(repository);
  await upload.append(bytes.subarray(0, 5));
  await assert.rejects(upload.append(Buffer.alloc(1024 * 1024)), (error: NodeJS.ErrnoException) => {
    assert.match(error.message, /^Cannot write ".*\.upload": /);
    return error.code === 'ENOSPC' || error.code === 'EFBIG';
  });
  assert.equal(upload.sizeBytes, 5);
  assert.equal((await uploads.statUpload(upload.id))?.sizeBytes, 5);
  await upload.append(bytes.subarray(5));
  await upload.commit(digest);
  await upload.close();
  const blob = await store.open(digest);
  const read = Buffer.alloc(100);
  assert.deepEqual(read.subarray(0, await blob?.read(read, 0)), bytes);
  await blob?.close();
});
