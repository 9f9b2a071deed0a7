import assert from 'node:assert/strict';
import fs from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { digestOf, hexOf } from '../../oci/digest.ts';

// A writer that commits at one certain moment cannot be had: the call to the system in between is another one here. So it
// is put in place before the store is loaded.
const { renameSync } = fs;
let before = (): void => {};
fs.renameSync = (from, to) => {
  const once = before;
  before = () => {};
  once();
  renameSync(from, to);
};
syncBuiltinESMExports();
const { openFileStores } = await import('./fs.ts');

const bytes = Buffer.from('the bytes of a layer');
const damaged = Buffer.from('the bytes of a lawyer');
const digest = digestOf(bytes);

async function withDamaged(t: TestContext) {
  const folder = tmpDir(t, { assertClosed: true });
  const { store } = await openFileStores(folder);
  const path = join(folder, 'blobs-v1', 'sha256', hexOf(digest).slice(0, 2), hexOf(digest));
  fs.mkdirSync(dirname(path), { recursive: true });
  await writeFile(path, damaged);
  const blob = await store.open(digest);
  assert.ok(blob);
  t.after(() => blob.close());
  return { store, path, blob };
}

test('a blob that takes the place of another while that is removed stays, and the other is gone', async (t) => {
  const { store, path, blob } = await withDamaged(t);
  before = () => {
    fs.writeFileSync(`${path}.new`, bytes);
    renameSync(`${path}.new`, path);
  };
  assert.equal(await blob.remove(), false);
  assert.deepEqual(fs.readFileSync(path), bytes);
  assert.equal(await store.size(digest), bytes.length);
  assert.deepEqual(await readdir(dirname(path)), [hexOf(digest)]);
});

test('a blob that somebody else removes at the same moment is gone once', async (t) => {
  const { path, blob } = await withDamaged(t);
  before = () => fs.unlinkSync(path);
  assert.equal(await blob.remove(), false);
  assert.deepEqual(await readdir(dirname(path)), []);
});

test('a removed blob leaves nothing behind', async (t) => {
  const { path, blob } = await withDamaged(t);
  assert.equal(await blob.remove(), true);
  assert.deepEqual(await readdir(dirname(path)), []);
});
