import assert from 'node:assert/strict';
import fs from 'node:fs';
import { mkdir, readdir, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { uploadStoreContract } from '../../../test/contract/upload-store-contract.ts';
import { collect } from '../../../test/support/content/collect.ts';
import { smallDisk } from '../../../test/support/disk/small-disk.ts';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { digestOf } from '../../oci/digest.ts';
import { parseRepository } from '../../oci/reference.ts';
import { openFileStores } from '../files/fs.ts';
import type { UploadStore } from '../upload-store.ts';

uploadStoreContract('openFileStores()', (t) => openStores(t, tmpDir(t, { assertClosed: true })));

const repository = parseRepository('team/app');
const bytes = Buffer.from('the bytes of a layer');
const digest = digestOf(bytes);

async function openStores(t: TestContext, folder: string) {
  const stores = await openFileStores(folder);
  t.after(() => stores.uploads.close());
  return stores;
}

async function setUp(t: TestContext) {
  const folder = tmpDir(t, { assertClosed: true });
  return { folder, top: join(folder, 'uploads-v1'), ...(await openStores(t, folder)) };
}

/** The files of uploads, of which the names of their owners are left out. */
async function filesIn(top: string): Promise<string[]> {
  const names = (await readdir(top)).filter((name) => !name.endsWith('.lock'));
  return names.map((name) => name.replace(/\.[0-9a-f]{8}\.json$/, '.json')).sort();
}

async function sidecarOf(top: string, id: string): Promise<string> {
  return join(top, (await readdir(top)).find((name) => name.startsWith(id) && name.endsWith('.json'))!);
}

async function beginOne(uploads: UploadStore): Promise<string> {
  const upload = await uploads.beginUpload(repository);
  await upload.append(bytes.subarray(0, 5));
  await upload.close();
  return upload.id;
}

test('an upload that is kept is two files that only the owner may read, and none after the commit', async (t) => {
  const { folder, top, uploads } = await setUp(t);
  const upload = await uploads.beginUpload(repository);
  await upload.append(bytes);
  assert.deepEqual(await filesIn(top), [`${upload.id}.upload`]);
  await upload.keep();
  await upload.keep();
  assert.deepEqual(await filesIn(top), [`${upload.id}.json`, `${upload.id}.upload`]);
  for (const name of await readdir(top)) assert.equal((await stat(join(top, name))).mode & 0o777, 0o600);
  assert.equal((await stat(top)).mode & 0o777, 0o700);
  await upload.commit(digest);
  await upload.close();
  assert.deepEqual(await filesIn(top), []);
  await uploads.close();
  assert.deepEqual(await readdir(top), []);
  assert.deepEqual(await readdir(join(folder, 'spool-v1')), []);
});

test('an upload is there for the next store that is opened, and can be written by it', async (t) => {
  const { folder, uploads } = await setUp(t);
  const first = await uploads.beginUpload(repository);
  await first.append(bytes.subarray(0, 5));
  await first.close();
  const known = await uploads.statUpload(first.id);
  await uploads.close();
  const next = await openStores(t, folder);
  assert.equal(await next.uploads.claimUpload(first.id), 'ours');
  assert.deepEqual(await next.uploads.statUpload(first.id), known);
  const second = await next.uploads.openUpload(first.id);
  await second?.append(bytes.subarray(5));
  await second?.commit(digest);
  await second?.close();
  assert.equal(await next.store.size(digest), bytes.length);
});

// Two servers on one data folder: a client that sends to both would have its bytes mixed.
test('an upload is of one process at a time, and of another when that has ended', async (t) => {
  const { folder, top, uploads } = await setUp(t);
  const id = await beginOne(uploads);
  const { uploads: other, store } = await openStores(t, folder);
  const own: string[] = [];
  for (let once = 0; once < 2; once++) {
    assert.equal(await other.claimUpload(id), 'theirs');
    assert.equal(await other.openUpload(id), undefined);
    assert.equal(await other.statUpload(id), undefined);
    assert.equal(await other.removeUpload(id), false);
    const listed = await collect(other.listUploads());
    assert.deepEqual(
      listed.map((upload) => upload.id),
      own,
    );
    own.push(await beginOne(other)); // now it is an owner itself
  }
  assert.equal(await uploads.claimUpload(id), 'ours');
  await uploads.close();
  assert.equal(await other.claimUpload(id), 'ours');
  assert.equal(await uploads.openUpload(id), undefined);
  const upload = await other.openUpload(id);
  await upload?.append(bytes.subarray(5));
  await upload?.commit(digest);
  await upload?.close();
  assert.equal(await store.size(digest), bytes.length);
  assert.equal((await filesIn(top)).filter((name) => name.startsWith(id)).length, 0);
});

test('of several processes that find an upload whose owner has died one has it', async (t) => {
  const { folder, uploads } = await setUp(t);
  const ids = [await beginOne(uploads), await beginOne(uploads)];
  await uploads.close();
  const others = await Promise.all([0, 1, 2, 3].map(() => openStores(t, folder)));
  const whose = await Promise.all(others.map((other) => other.uploads.claimUpload(ids[0]!)));
  assert.deepEqual(whose.sort(), ['ours', 'theirs', 'theirs', 'theirs']);
  const listed = await Promise.all(others.map((other) => collect(other.uploads.listUploads())));
  assert.deepEqual(
    listed
      .flat()
      .map(({ id }) => id)
      .sort(),
    ids.sort(),
  );
});

test('an upload that was begun after the folder was emptied is of one process, too', async (t) => {
  const { folder, top, uploads } = await setUp(t);
  await beginOne(uploads);
  await rm(top, { recursive: true });
  const id = await beginOne(uploads);
  const { uploads: other } = await openStores(t, folder);
  assert.equal(await other.claimUpload(id), 'theirs');
  assert.equal((await uploads.statUpload(id))?.sizeBytes, 5);
});

test('an upload is of one process, too, when somebody has removed what was in the folder, or only the locks', async (t) => {
  for (const pattern of [/./, /\.lock$/]) {
    const { folder, top, uploads } = await setUp(t);
    const before = await beginOne(uploads);
    const { uploads: other } = await openStores(t, folder);
    for (const name of await readdir(top)) if (pattern.test(name)) await rm(join(top, name));
    const id = await beginOne(uploads);
    const bare = await uploads.beginUpload(repository);
    assert.deepEqual([await other.claimUpload(id), await other.claimUpload(bare.id)], ['theirs', 'theirs']);
    await openStores(t, folder);
    await bare.append(bytes);
    await bare.commit(digest);
    await bare.close();
    // What it had before is whoever's asks first.
    assert.equal(await uploads.openUpload(before), undefined);
    const owner = await other.claimUpload(before);
    assert.equal(owner, (await filesIn(top)).includes(`${before}.upload`) ? 'ours' : undefined);
  }
});

test('an upload whose lock somebody has removed is opened by no process but the one that has it then', async (t) => {
  const { folder, top, uploads } = await setUp(t);
  const id = await beginOne(uploads);
  const { uploads: other } = await openStores(t, folder);
  for (const name of await readdir(top)) if (name.endsWith('.lock')) await rm(join(top, name));
  assert.equal(await uploads.openUpload(id), undefined);
  assert.equal(await uploads.claimUpload(id), 'ours');
  assert.equal(await other.claimUpload(id), 'theirs');
  await (await uploads.openUpload(id))?.close();
  assert.equal((await uploads.statUpload(id))?.sizeBytes, 5);
});

test("an upload that is not kept yet is nobody else's, and ends with its owner", async (t) => {
  const { folder, top, uploads, store } = await setUp(t);
  const upload = await uploads.beginUpload(repository);
  await upload.append(bytes.subarray(0, 5));
  const { uploads: other } = await openStores(t, folder);
  assert.equal(await other.claimUpload(upload.id), 'theirs');
  assert.equal(await other.removeUpload(upload.id), false);
  assert.deepEqual(await collect(store.listLeftovers()), []);
  assert.deepEqual(await collect(uploads.listUploads()), []);
  assert.equal((await uploads.statUpload(upload.id))?.sizeBytes, 5);
  const hourAgo = new Date(Date.now() - 3_700_000);
  await utimes(join(top, `${upload.id}.upload`), hourAgo, hourAgo);
  assert.equal((await collect(store.listLeftovers())).length, 1, 'nobody needs so long');
  await uploads.close(); // as if it had died
  assert.equal(await other.claimUpload(upload.id), undefined);
  await openStores(t, folder);
  assert.deepEqual(await filesIn(top), []);
  await upload.close();
});

test('an upload of which half is missing or broken is none, and is left over or removed at the next start', async (t) => {
  const { folder, top, uploads, store } = await setUp(t);
  const begun = await Promise.all(Array.from({ length: 7 }, () => beginOne(uploads)));
  const [whole, bare, empty, broken, strange, odd, gone] = begun;
  const sidecar = (id: string | undefined) => sidecarOf(top, id!);
  await rm(await sidecar(bare));
  await truncate(await sidecar(empty));
  await writeFile(await sidecar(broken), '{"repository":"team/app","beganAt');
  await writeFile(await sidecar(strange), '{"repository":"../../etc","beganAtMs":1}');
  await writeFile(await sidecar(odd), 'null');
  await rm(join(top, `${gone}.upload`));
  await writeFile(join(top, 'notes.txt'), 'stray');
  await uploads.close();
  const { uploads: next } = await openStores(t, folder);
  for (const id of [bare, empty, broken, strange, odd, gone]) {
    await next.claimUpload(id!);
    assert.equal(await next.statUpload(id!), undefined);
    assert.equal(await next.openUpload(id!), undefined);
  }
  const ids = (await collect(next.listUploads())).map(({ id }) => id);
  assert.deepEqual(ids, [whole]);
  const left = await collect(store.listLeftovers());
  const both = await Promise.all([broken, strange, odd].map(async (id) => [await sidecar(id), `${id}.upload`]));
  const names = [...both.flat(), 'notes.txt'];
  assert.deepEqual(left.map(({ path }) => path).sort(), names.map((name) => resolve(top, name)).sort());
  for (const leftover of left) await leftover.remove();
  assert.deepEqual(await filesIn(top), [`${whole}.json`, `${whole}.upload`]);
});

test('what a process that was killed left to say of an upload without bytes is removed at the next start', async (t) => {
  const { folder, top, uploads } = await setUp(t);
  const [gone, kept] = [await uploads.beginUpload(repository), await uploads.beginUpload(repository)];
  for (const upload of [gone, kept]) await upload.close();
  await rm(join(top, `${gone.id}.upload`));
  await writeFile(join(top, `${'0'.repeat(32)}.0123abcd.json`), '{"repo');
  await writeFile(join(top, '0123abcd.lock'), '');
  await uploads.close();
  const next = await openStores(t, folder);
  assert.deepEqual((await readdir(top)).sort(), [basename(await sidecarOf(top, kept.id)), `${kept.id}.upload`]);
  assert.equal(await next.uploads.claimUpload(kept.id), 'ours');
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
  assert.equal((await filesIn(top)).length, 2);
});

test('a full disk is ENOSPC, takes a piece as a whole or not at all, and can be written when it has room', async (t) => {
  const folder = smallDisk(t, 512 * 1024);
  const { uploads, store } = await openStores(t, folder);
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

test('an upload that could not be kept as the disk was full is kept once it has room, and can be finished', async (t) => {
  const { top, uploads, store } = await setUp(t);
  const upload = await uploads.beginUpload(repository);
  await upload.append(bytes.subarray(0, 5));
  const full = t.mock.method(fs, 'write', (...args: unknown[]) => {
    const done = args.at(-1) as (error: Error) => void;
    setImmediate(done, Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28, syscall: 'write' }));
  });
  await assert.rejects(upload.keep(), { code: 'ENOSPC' });
  await assert.rejects(upload.close(), { code: 'ENOSPC' });
  assert.deepEqual(await filesIn(top), [`${upload.id}.upload`]);
  full.mock.restore();
  const again = await uploads.openUpload(upload.id);
  await again?.keep();
  assert.deepEqual(await filesIn(top), [`${upload.id}.json`, `${upload.id}.upload`]);
  await again?.append(bytes.subarray(5));
  await again?.commit(digest);
  await again?.close();
  assert.equal(await store.size(digest), bytes.length);
  assert.deepEqual(await filesIn(top), []);
});
