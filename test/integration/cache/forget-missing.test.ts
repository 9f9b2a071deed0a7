import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { forgetMissing } from '../../../src/cache/content/forget-missing.ts';
import { openSqliteIndex } from '../../../src/index/sqlite/sqlite.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { MemoryBlobStore } from '../../support/memory/memory-blob-store.ts';

const bytes = Buffer.from('a layer');
const digest = digestOf(bytes);
const repository = parseRepository('team/app');

async function setUp(t: TestContext) {
  const index = openSqliteIndex(join(tmpDir(t), 'index.sqlite'));
  t.after(() => index.close());
  await index.addBlob(repository, digest, bytes.length, 1);
  return { index, store: new MemoryBlobStore() };
}

test('content without a file is forgotten, and content with one is not', async (t) => {
  const { index, store } = await setUp(t);
  store.blobs.set(digest, bytes);
  assert.equal(await forgetMissing({ store, index }, digest, 1), false);
  assert.equal((await index.getContent(digest))?.sizeBytes, bytes.length);
  store.blobs.delete(digest);
  assert.equal(await forgetMissing({ store, index }, digest, 1), true);
  assert.equal(await index.getContent(digest), undefined);
});

test('what another process stores and notes while it is forgotten is there afterwards, and held as before', async (t) => {
  const { index, store } = await setUp(t);
  const beside = {
    putContent: index.putContent.bind(index),
    async removeContent() {
      store.blobs.set(digest, bytes);
      await index.addBlob(repository, digest, bytes.length, 2);
      await index.removeContent(digest);
    },
  };
  assert.equal(await forgetMissing({ store, index: beside }, digest, 1), false);
  const entry = await index.getContent(digest);
  assert.deepEqual([entry?.sizeBytes, entry?.hosted], [bytes.length, true]);
});
