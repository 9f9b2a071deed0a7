import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import type { BlobStore, ReadableAt } from '../../src/store/blob-store.ts';
import type { OpenUpload, StoredUpload, UploadStore } from '../../src/store/upload-store.ts';
import { collect } from '../support/content/collect.ts';

/** Uploads, and the store that they become blobs of. */
export interface UploadStage {
  readonly uploads: UploadStore;
  readonly store: BlobStore;
}

/** Makes empty stores, which are removed when the test ends. Their clock is the system's. */
export type MakeUploadStore = (t: TestContext) => Promise<UploadStage>;

const repository = parseRepository('team/app');
const text = 'the bytes of a layer that is pushed';
const digest = digestOf(utf8(text));

/** The tests that every `UploadStore` passes. */
export function uploadStoreContract(name: string, make: MakeUploadStore): void {
  describe(`${name} is a store of uploads`, () => {
    describe('what is being pushed', () => growingUploads(make));
    describe('what is known of uploads', () => knownUploads(make));
    describe('what is committed', () => committedUploads(make));
    describe('what is removed', () => removedUploads(make));
  });
}

function growingUploads(make: MakeUploadStore): void {
  test('what was written is there, in order, for whoever opens the upload again', async (t) => {
    const { uploads } = await make(t);
    const first = await uploads.beginUpload(repository);
    assert.equal(first.sizeBytes, 0);
    await first.append(utf8('one '));
    await first.append(utf8('two '));
    assert.equal(first.sizeBytes, 8);
    assert.equal(await readText(first), 'one two ');
    await first.close();
    const second = await open(uploads, first.id);
    assert.deepEqual([second.id, second.repository, second.sizeBytes], [first.id, repository, 8]);
    await second.append(utf8('three'));
    assert.equal(second.sizeBytes, 13);
    assert.equal(await readText(second), 'one two three');
    await second.close();
  });

  test('a read begins where it is told, and is short only at the end', async (t) => {
    const { uploads } = await make(t);
    const upload = await uploads.beginUpload(repository);
    await upload.append(utf8('0123456789'));
    assert.equal(await readText(upload, 4, 3), '456');
    assert.equal(await readText(upload, 8, 5), '89');
    assert.equal(await readText(upload, 10, 5), '');
    await upload.close();
  });

  test('nothing is written by writing nothing', async (t) => {
    const { uploads } = await make(t);
    const upload = await uploads.beginUpload(repository);
    await upload.append(utf8(''));
    assert.equal(upload.sizeBytes, 0);
    await upload.close();
  });

  test('each upload has its own bytes, and a name that says nothing of the others', async (t) => {
    const { uploads } = await make(t);
    const opened = await Promise.all(Array.from({ length: 20 }, () => uploads.beginUpload(repository)));
    await Promise.all(opened.map((upload, index) => upload.append(utf8(`bytes of ${index}`))));
    for (const [index, upload] of opened.entries()) {
      assert.match(upload.id, /^[A-Za-z0-9-]{26,}$/); // 128 bits and more
      assert.equal(await readText(upload), `bytes of ${index}`);
      await upload.close();
    }
    assert.equal(new Set(opened.map(({ id }) => id)).size, opened.length);
  });
}

function knownUploads(make: MakeUploadStore): void {
  test('an upload that was never begun is unknown, whatever its name', async (t) => {
    const { uploads } = await make(t);
    for (const id of [
      '',
      '.',
      '..',
      '../blobs-v1',
      '00000000000000000000000000000000',
      'x'.repeat(5000),
      'a\0b',
      'a/b',
    ]) {
      assert.equal(await uploads.openUpload(id), undefined, id);
      assert.equal(await uploads.statUpload(id), undefined, id);
      assert.equal(await uploads.removeUpload(id), false, id);
    }
  });

  test('its repository, size and times are known, open or not', async (t) => {
    const { uploads } = await make(t);
    const upload = await uploads.beginUpload(repository);
    await upload.append(utf8('12345'));
    const whileOpen = await uploads.statUpload(upload.id);
    await upload.close();
    const known = await uploads.statUpload(upload.id);
    assert.deepEqual(known, whileOpen);
    assert.deepEqual([known?.id, known?.repository, known?.sizeBytes], [upload.id, repository, 5]);
    for (const time of [known?.beganAtMs, known?.writtenAtMs]) {
      assert(time !== undefined && Math.abs(time - Date.now()) < 60_000, `${time} is about now`);
    }
  });

  test('every upload is listed once, as it is known', async (t) => {
    const { uploads } = await make(t);
    assert.deepEqual(await listAll(uploads), []);
    const expected: StoredUpload[] = [];
    for (let index = 0; index < 30; index++) {
      const upload = await uploads.beginUpload(parseRepository(`team/app${index}`));
      await upload.append(utf8('x'.repeat(index)));
      await upload.close();
      expected.push((await uploads.statUpload(upload.id))!);
    }
    const listed = await listAll(uploads);
    assert.deepEqual(
      listed.sort((a, b) => a.sizeBytes - b.sizeBytes),
      expected,
    );
  });

  test('uploads may be removed while they are listed', async (t) => {
    const { uploads } = await make(t);
    for (let index = 0; index < 10; index++) await (await uploads.beginUpload(repository)).close();
    for await (const { id } of uploads.listUploads()) assert.equal(await uploads.removeUpload(id), true);
    assert.deepEqual(await listAll(uploads), []);
  });
}

function committedUploads(make: MakeUploadStore): void {
  test('what is committed is the blob of its digest, and no upload any more', async (t) => {
    const { uploads, store } = await make(t);
    const upload = await uploads.beginUpload(repository);
    await upload.append(utf8(text));
    assert.equal(await store.size(digest), undefined);
    await upload.commit(digest);
    await upload.close();
    assert.equal(await readBlob(store, digest), text);
    assert.equal(await uploads.statUpload(upload.id), undefined);
    assert.equal(await uploads.openUpload(upload.id), undefined);
    assert.equal(await uploads.removeUpload(upload.id), false);
    assert.deepEqual(await listAll(uploads), []);
    assert.equal(await readBlob(store, digest), text);
  });

  test('what an earlier opener wrote is committed by a later one, by sha512 too', async (t) => {
    const { uploads, store } = await make(t);
    const { id } = await begun(uploads, text.slice(0, 10));
    const upload = await open(uploads, id);
    await upload.append(utf8(text.slice(10)));
    const long = digestOf(utf8(text), 'sha512');
    await upload.commit(long);
    await upload.close();
    assert.equal(await readBlob(store, long), text);
    assert.equal(await store.size(digest), undefined);
  });

  test('what is begun when the blob is there is waited for, and fails the commit, though the blob stays', async (t) => {
    const { uploads, store } = await make(t);
    const upload = await uploads.beginUpload(repository);
    await upload.append(utf8(text));
    let isEnded = false;
    await upload.commit(digest, async () => {
      assert.equal(await readBlob(store, digest), text);
      isEnded = true;
    });
    assert.ok(isEnded);
    await upload.close();
    const other = await uploads.beginUpload(repository);
    await other.append(utf8(text));
    const failure = new Error('it cannot be noted');
    await assert.rejects(
      other.commit(digest, () => Promise.reject(failure)),
      failure,
    );
    await other.close();
    assert.deepEqual(await listAll(uploads), []);
    assert.equal(await readBlob(store, digest), text);
  });

  test('an upload of nothing is an empty blob', async (t) => {
    const { uploads, store } = await make(t);
    const upload = await uploads.beginUpload(repository);
    await upload.commit(digestOf(utf8('')));
    await upload.close();
    assert.equal(await readBlob(store, digestOf(utf8(''))), '');
  });

  test('a blob cannot be written any more by the upload that it was', async (t) => {
    const { uploads, store } = await make(t);
    const upload = await uploads.beginUpload(repository);
    await upload.append(utf8(text));
    await upload.commit(digest);
    await assert.rejects(upload.append(utf8('more')));
    await upload.close();
    assert.equal(await readBlob(store, digest), text);
  });

  test('it replaces the blob that is there, whose readers go on', async (t) => {
    const { uploads, store } = await make(t);
    await commit(uploads, 'it has rotted', digest);
    const old = await store.open(digest);
    assert(old);
    await commit(uploads, text, digest);
    assert.equal(await readText(old), 'it has rotted');
    assert.equal(await old.remove(), false);
    await old.close();
    assert.equal(await readBlob(store, digest), text);
  });

  test('of two that are committed at once one blob comes, and no upload stays', async (t) => {
    const { uploads, store } = await make(t);
    await Promise.all([commit(uploads, text, digest), commit(uploads, text, digest)]);
    assert.equal(await readBlob(store, digest), text);
    assert.deepEqual(await listAll(uploads), []);
  });
}

function removedUploads(make: MakeUploadStore): void {
  test('a removed upload is unknown', async (t) => {
    const { uploads } = await make(t);
    const { id } = await begun(uploads, text);
    const { id: other } = await begun(uploads, text);
    assert.equal(await uploads.removeUpload(id), true);
    assert.equal(await uploads.removeUpload(id), false);
    assert.equal(await uploads.openUpload(id), undefined);
    assert.deepEqual(
      (await listAll(uploads)).map((upload) => upload.id),
      [other],
    );
  });

  test('one that is open when it is removed does not become a blob', async (t) => {
    const { uploads, store } = await make(t);
    const upload = await uploads.beginUpload(repository);
    await upload.append(utf8(text.slice(0, 10)));
    assert.equal(await uploads.removeUpload(upload.id), true);
    await upload.append(utf8(text.slice(10)));
    await assert.rejects(upload.commit(digest));
    await upload.close();
    assert.equal(await store.size(digest), undefined);
    assert.deepEqual(await listAll(uploads), []);
  });
}

async function begun(uploads: UploadStore, bytes: string): Promise<OpenUpload> {
  const upload = await uploads.beginUpload(repository);
  await upload.append(utf8(bytes));
  await upload.close();
  return upload;
}

async function commit(uploads: UploadStore, bytes: string, name: Digest): Promise<void> {
  const upload = await uploads.beginUpload(repository);
  await upload.append(utf8(bytes));
  await upload.commit(name);
  await upload.close();
}

async function open(uploads: UploadStore, id: string): Promise<OpenUpload> {
  const upload = await uploads.openUpload(id);
  assert(upload, 'the upload is there');
  return upload;
}

async function readBlob(store: BlobStore, name: Digest): Promise<string> {
  const blob = await store.open(name);
  assert(blob, 'the blob is stored');
  return readText(blob).finally(() => blob.close());
}

async function readText(from: ReadableAt, position = 0, length = 1000): Promise<string> {
  const buffer = Buffer.alloc(length);
  return buffer.toString('utf8', 0, await from.read(buffer, position));
}

async function listAll(uploads: UploadStore): Promise<StoredUpload[]> {
  return collect(uploads.listUploads());
}

function utf8(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}
