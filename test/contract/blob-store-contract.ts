import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import type { BlobStore, ReadableAt } from '../../src/store/blob-store.ts';
import { writeBlob } from '../support/disk/kept-store.ts';

/** Makes an empty store, which is removed when the test ends. */
export type MakeBlobStore = (t: TestContext) => Promise<BlobStore>;

/** The tests that every `BlobStore` passes. */
export function blobStoreContract(name: string, make: MakeBlobStore): void {
  describe(`${name} is a blob store`, () => {
    describe('what is committed', () => committedBlobs(make));
    describe('what is open and removed', () => removedWhileOpen(make));
    describe('what is being written', () => growingBlobs(make));
    describe('writers of one digest', () => severalWriters(make));
    describe('what was left to go on with', () => partialBlobs(make));
    describe('what is listed', () => listedBlobs(make));
  });
}

function committedBlobs(make: MakeBlobStore): void {
  test('a blob that was never written is not stored', async (t) => {
    const store = await make(t);
    const digest = digestOf(utf8('never written'));
    assert.equal(await store.size(digest), undefined);
    assert.equal(await store.open(digest), undefined);
    assert.equal(await store.remove(digest), false);
  });

  test('a committed blob has its size and its bytes', async (t) => {
    const store = await make(t);
    const bytes = utf8('some layer');
    const digest = await storeBlob(store, bytes);
    assert.equal(await store.size(digest), bytes.length);
    assert.deepEqual(await readBlob(store, digest), bytes);
  });

  test('a blob by sha512 is stored beside those by sha256', async (t) => {
    const store = await make(t);
    const bytes = utf8('some layer');
    const digest = await storeBlob(store, bytes, digestOf(bytes, 'sha512'));
    assert.deepEqual(await readBlob(store, digest), bytes);
    assert.equal(await store.size(digestOf(bytes)), undefined);
  });

  test('an empty blob is stored, and is not the same as none', async (t) => {
    const store = await make(t);
    const digest = await storeBlob(store, utf8(''));
    assert.equal(await store.size(digest), 0);
    assert.deepEqual(await readBlob(store, digest), utf8(''));
  });

  test('a blob of 20 MiB is written from shared memory and read back into it', async (t) => {
    const store = await make(t);
    const bytes = patternedBytes(20 * 1024 * 1024);
    const digest = digestOf(bytes);
    const writer = await store.create(digest);
    const piece = new Uint8Array(new SharedArrayBuffer(1024 * 1024));
    for (let position = 0; position < bytes.length; position += piece.length) {
      piece.set(bytes.subarray(position, position + piece.length));
      await writer.write(piece, position);
    }
    await writer.commit();
    await writer.close();

    const blob = await store.open(digest);
    assert(blob);
    const whole = new Uint8Array(new SharedArrayBuffer(bytes.length));
    assert.equal(await blob.read(whole, 0), bytes.length);
    assert.equal(digestOf(whole), digest);
    await blob.close();
  });

  test('a read fills its buffer, and less of it only at the end', async (t) => {
    const store = await make(t);
    const blob = await store.open(await storeBlob(store, utf8('0123456789')));
    assert(blob);
    assert.equal(blob.sizeBytes, 10);
    assert.equal(await readText(blob, 0, 4), '0123');
    assert.equal(await readText(blob, 4, 4), '4567');
    assert.equal(await readText(blob, 8, 4), '89');
    assert.equal(await readText(blob, 10, 4), '');
    assert.equal(await readText(blob, 999, 4), '');
    await blob.close();
  });

  test('a blob can be opened several times, and each is closed for itself', async (t) => {
    const store = await make(t);
    const digest = await storeBlob(store, utf8('read by many'));
    const [first, second] = await Promise.all([store.open(digest), store.open(digest)]);
    assert(first && second);
    await first.close();
    assert.equal(await readText(second, 0, 12), 'read by many');
    await second.close();
  });

  test('a blob that is in memory is stored in one call, in the place of what is there, whose readers go on', async (t) => {
    const store = await make(t);
    const bytes = utf8('all of a manifest');
    const digest = await storeBlob(store, utf8('it has rotted'), digestOf(bytes));
    const old = await store.open(digest);
    assert(old);
    await Promise.all([store.put(digest, bytes), store.put(digest, bytes)]);
    assert.deepEqual(await readBlob(store, digest), bytes);
    assert.equal(await readText(old, 0, 100), 'it has rotted');
    assert.equal(await old.remove(), false);
    await old.close();
    assert.deepEqual(await store.partials(), { count: 0, sizeBytes: 0 });
  });

  test('a removed blob is not stored any more, and can be stored again', async (t) => {
    const store = await make(t);
    const digest = await storeBlob(store, utf8('come and gone'));
    assert.equal(await store.remove(digest), true);
    assert.equal(await store.size(digest), undefined);
    assert.equal(await store.open(digest), undefined);
    assert.equal(await store.remove(digest), false);
    await storeBlob(store, utf8('come and gone'));
    assert.deepEqual(await readBlob(store, digest), utf8('come and gone'));
  });

  test('what is open stays readable though it be removed', async (t) => {
    const store = await make(t);
    const digest = await storeBlob(store, utf8('read while it goes'));
    const blob = await store.open(digest);
    assert(blob);
    assert.equal(await store.remove(digest), true);
    assert.equal(await readText(blob, 0, 100), 'read while it goes');
    await blob.close();
  });
}

function removedWhileOpen(make: MakeBlobStore): void {
  test('what is open can be removed, once', async (t) => {
    const store = await make(t);
    const digest = await storeBlob(store, utf8('found to be wrong'));
    const blob = await store.open(digest);
    assert(blob);
    assert.equal(await blob.remove(), true);
    assert.equal(await store.size(digest), undefined);
    assert.equal(await blob.remove(), false);
    assert.equal(await readText(blob, 0, 5), 'found');
    await blob.close();
  });

  test('what took the place of that which is open stays', async (t) => {
    const store = await make(t);
    const digest = await storeBlob(store, utf8('the old'), digestOf(utf8('the new one')));
    const old = await store.open(digest);
    assert(old);
    assert.equal(await store.remove(digest), true);
    await storeBlob(store, utf8('the new one'));
    assert.equal(await old.remove(), false);
    assert.deepEqual(await readBlob(store, digest), utf8('the new one'));
    await old.close();
  });
}

function growingBlobs(make: MakeBlobStore): void {
  test('what has been written can be read while the rest is missing', async (t) => {
    const store = await make(t);
    const writer = await store.create(digestOf(utf8('first second')));
    await writer.write(utf8('first '), 0);
    assert.equal(await readText(writer, 0, 100), 'first ');
    await writer.write(utf8('second'), 6);
    assert.equal(await readText(writer, 0, 100), 'first second');
    assert.equal(await readText(writer, 6, 3), 'sec');
    assert.equal(await readText(writer, 12, 3), '');
    await writer.close();
  });

  test('it is not stored before it is committed', async (t) => {
    const store = await make(t);
    const bytes = utf8('not yet');
    const writer = await store.create(digestOf(bytes));
    await writer.write(bytes, 0);
    assert.equal(await store.size(digestOf(bytes)), undefined);
    assert.equal(await store.open(digestOf(bytes)), undefined);
    assert.deepEqual(await listAll(store), []);
    await writer.close();
  });

  test('writes that overlap in time and come in any order make the same blob', async (t) => {
    const store = await make(t);
    const bytes = patternedBytes(1_000_003);
    const writer = await store.create(digestOf(bytes));
    const starts = Array.from({ length: Math.ceil(bytes.length / 100_000) }, (_, index) => index * 100_000);
    const writes = starts.reverse().map((start) => writer.write(bytes.subarray(start, start + 100_000), start));
    await Promise.all(writes);
    await writer.commit();
    assert.equal(digestOf(await readBlob(store, digestOf(bytes))), digestOf(bytes));
    await writer.close();
  });

  test('it can be read after the commit, until it is closed, even when it was removed', async (t) => {
    const store = await make(t);
    const bytes = utf8('followed to the end');
    const writer = await store.create(digestOf(bytes));
    await writer.write(bytes, 0);
    await writer.commit();
    assert.equal(await readText(writer, 0, 100), 'followed to the end');
    await store.remove(digestOf(bytes));
    assert.equal(await readText(writer, 9, 100), 'to the end');
    await writer.close();
  });

  test('closing without a commit leaves nothing', async (t) => {
    const store = await make(t);
    const bytes = utf8('given up');
    const writer = await store.create(digestOf(bytes));
    await writer.write(bytes, 0);
    await writer.close();
    assert.equal(await store.size(digestOf(bytes)), undefined);
    assert.equal(await store.open(digestOf(bytes)), undefined);
    assert.deepEqual(await listAll(store), []);
  });

  test('a blob that was given up can be written again', async (t) => {
    const store = await make(t);
    const bytes = utf8('second attempt');
    const writer = await store.create(digestOf(bytes));
    await writer.write(utf8('secon'), 0);
    await writer.close();
    const digest = await storeBlob(store, bytes);
    assert.deepEqual(await readBlob(store, digest), bytes);
  });
}

function severalWriters(make: MakeBlobStore): void {
  test('they do not see each other, and both may commit', async (t) => {
    const store = await make(t);
    const bytes = utf8('one of two');
    const digest = digestOf(bytes);
    const [first, second] = await Promise.all([store.create(digest), store.create(digest)]);
    await first.write(bytes, 0);
    assert.equal(await readText(second, 0, 100), '');
    await first.commit();
    assert.deepEqual(await readBlob(store, digest), bytes);

    await second.write(bytes, 0);
    await second.commit();
    assert.deepEqual(await readBlob(store, digest), bytes);
    assert.equal(await readText(first, 0, 100), 'one of two');
    assert.equal(await readText(second, 0, 100), 'one of two');
    assert.deepEqual(await listAll(store), [{ digest, sizeBytes: bytes.length }]);
    await first.close();
    await second.close();
  });

  test('those that commit at the same time do each other no harm', async (t) => {
    const store = await make(t);
    const bytes = patternedBytes(100_000);
    const digest = digestOf(bytes);
    const writers = await Promise.all(Array.from({ length: 8 }, () => store.create(digest)));
    await Promise.all(writers.map((writer) => writer.write(bytes, 0)));
    await Promise.all(writers.map((writer) => writer.commit()));
    await Promise.all(writers.map((writer) => writer.close()));
    assert.equal(digestOf(await readBlob(store, digest)), digest);
    assert.deepEqual(await listAll(store), [{ digest, sizeBytes: bytes.length }]);
  });

  test('one that gives up takes nothing from one that committed', async (t) => {
    const store = await make(t);
    const bytes = utf8('kept by the other');
    const quitter = await store.create(digestOf(bytes));
    await quitter.write(utf8('kept'), 0);
    await storeBlob(store, bytes);
    await quitter.close();
    assert.deepEqual(await readBlob(store, digestOf(bytes)), bytes);
  });

  test('one whose blob is stored already leaves its readers alone', async (t) => {
    const store = await make(t);
    const bytes = utf8('read throughout');
    const digest = await storeBlob(store, bytes);
    const blob = await store.open(digest);
    assert(blob);
    await storeBlob(store, bytes);
    assert.equal(await readText(blob, 0, 100), 'read throughout');
    await blob.close();
  });
}

function partialBlobs(make: MakeBlobStore): void {
  const bytes = utf8('begun by one, ended by another');
  const digest = digestOf(bytes);

  async function leave(store: BlobStore, sizeBytes: number): Promise<void> {
    const writer = await store.create(digest);
    await writer.write(bytes.subarray(0, sizeBytes), 0);
    await writer.close({ keep: true });
  }

  test('there is nothing to take over of a blob that nobody wrote', async (t) => {
    const store = await make(t);
    assert.equal(await store.resume(digest), undefined);
    assert.deepEqual(await store.partials(), { count: 0, sizeBytes: 0 });
  });

  test('what a writer left has its bytes, and is not stored', async (t) => {
    const store = await make(t);
    await leave(store, 13);
    assert.deepEqual(await store.partials(), { count: 1, sizeBytes: 13 });
    assert.equal(await store.size(digest), undefined);
    assert.equal(await store.open(digest), undefined);
    assert.deepEqual(await listAll(store), []);
    const partial = await store.resume(digest);
    assert.equal(partial?.sizeBytes, 13);
    assert.equal(await readText(partial.writer, 0, 100), 'begun by one,');
    await partial.writer.close();
  });

  test('whoever took it over ends the blob', async (t) => {
    const store = await make(t);
    await leave(store, 13);
    const partial = await store.resume(digest);
    assert(partial);
    await partial.writer.write(bytes.subarray(13), 13);
    await partial.writer.commit();
    await partial.writer.close();
    assert.deepEqual(await readBlob(store, digest), bytes);
    assert.deepEqual(await store.partials(), { count: 0, sizeBytes: 0 });
  });

  test('only one of many takes it over', async (t) => {
    const store = await make(t);
    await leave(store, 5);
    const taken = await Promise.all(Array.from({ length: 8 }, () => store.resume(digest)));
    const partials = taken.filter((partial) => partial !== undefined);
    assert.equal(partials.length, 1);
    await partials[0]?.writer.close();
  });

  test('it can be left again, with more of it, and is removed when it is not', async (t) => {
    const store = await make(t);
    await leave(store, 5);
    const first = await store.resume(digest);
    await first?.writer.write(bytes.subarray(5, 9), 5);
    await first?.writer.close({ keep: true });
    const second = await store.resume(digest);
    assert.equal(second?.sizeBytes, 9);
    assert.equal(await readText(second.writer, 0, 100), 'begun by ');
    await second.writer.close();
    assert.equal(await store.resume(digest), undefined);
    assert.deepEqual(await store.partials(), { count: 0, sizeBytes: 0 });
  });

  test('of several that were left the longest is kept', async (t) => {
    const store = await make(t);
    for (const sizeBytes of [5, 20, 13]) await leave(store, sizeBytes);
    assert.deepEqual(await store.partials(), { count: 1, sizeBytes: 20 });
  });

  test('nothing at all is not kept', async (t) => {
    const store = await make(t);
    await leave(store, 0);
    assert.equal(await store.resume(digest), undefined);
  });

  test('what was left is gone once the blob is stored', async (t) => {
    const store = await make(t);
    await leave(store, 5);
    await storeBlob(store, bytes);
    assert.equal(await store.resume(digest), undefined);
    assert.deepEqual(await store.partials(), { count: 0, sizeBytes: 0 });
  });

  test('a committed blob leaves nothing, though it be closed to keep it', async (t) => {
    const store = await make(t);
    const writer = await store.create(digest);
    await writer.write(bytes, 0);
    await writer.commit();
    await writer.close({ keep: true });
    assert.deepEqual(await store.partials(), { count: 0, sizeBytes: 0 });
    assert.deepEqual(await readBlob(store, digest), bytes);
  });
}

function listedBlobs(make: MakeBlobStore): void {
  test('an empty store lists nothing', async (t) => {
    assert.deepEqual(await listAll(await make(t)), []);
  });

  test('every committed blob is listed once, with its size', async (t) => {
    const store = await make(t);
    const expected = [];
    for (let index = 0; index < 40; index++) {
      const bytes = utf8('x'.repeat(index));
      const digest = digestOf(bytes, index % 2 === 0 ? 'sha256' : 'sha512');
      await storeBlob(store, bytes, digest);
      expected.push({ digest, sizeBytes: index });
    }
    const listed = await listAll(store);
    assert.deepEqual(
      listed.sort((a, b) => a.sizeBytes - b.sizeBytes),
      expected,
    );
  });

  test('blobs may be removed while they are listed', async (t) => {
    const store = await make(t);
    const stored = new Set<Digest>();
    for (let index = 0; index < 10; index++) stored.add(await storeBlob(store, utf8(`blob ${index}`)));
    for await (const { digest } of store.list()) {
      assert(stored.has(digest));
      assert.equal(await store.remove(digest), true);
    }
    assert.deepEqual(await listAll(store), []);
  });
}

async function storeBlob(store: BlobStore, bytes: Uint8Array, digest = digestOf(bytes)): Promise<Digest> {
  await writeBlob(store, digest, bytes);
  return digest;
}

async function readBlob(store: BlobStore, digest: Digest): Promise<Uint8Array> {
  const blob = await store.open(digest);
  assert(blob, 'the blob is stored');
  try {
    const bytes = new Uint8Array(blob.sizeBytes + 1); // one more than there is: nothing may come after the end
    return bytes.slice(0, await blob.read(bytes, 0));
  } finally {
    await blob.close();
  }
}

async function readText(from: ReadableAt, position: number, length: number): Promise<string> {
  const buffer = new Uint8Array(length);
  return Buffer.from(buffer.subarray(0, await from.read(buffer, position))).toString();
}

async function listAll(store: BlobStore): Promise<{ digest: Digest; sizeBytes: number }[]> {
  const listed = [];
  for await (const { digest, sizeBytes } of store.list()) listed.push({ digest, sizeBytes });
  return listed;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

// Bytes that differ from piece to piece, so that one that is put at a wrong place is found.
function patternedBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, Math.floor(length / 4));
  for (let index = 0; index < words.length; index++) words[index] = Math.imul(index, 2654435761);
  return bytes;
}
