import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { recordStoreContract } from '../../../test/contract/record-store-contract.ts';
import { collect } from '../../../test/support/content/collect.ts';
import { smallDisk } from '../../../test/support/disk/small-disk.ts';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { openFileStores } from '../files/fs.ts';

recordStoreContract('openFileStores()', async (t) => (await openFileStores(tmpDir(t, { assertClosed: true }))).records);

const hourMs = 60 * 60 * 1000;
const bytes = Buffer.from('{"digest":"sha256:…"}');

test('a record is a file of its name, and only the owner may read it', async (t) => {
  const folder = tmpDir(t, { assertClosed: true });
  const { records } = await openFileStores(folder);
  await records.putRecord('team/app/_tags/V1-RC2.alpha', bytes);
  await records.putRecord('team/app/_tags/latest', bytes);
  const tags = join(folder, 'records-v1', 'team', 'app', '_tags');
  assert.deepEqual((await readdir(tags)).sort(), ['latest', 'v1-rc2.alpha=98']);
  for (const name of await readdir(tags)) assert.equal((await stat(join(tags, name))).mode & 0o777, 0o600);
  for (let path = tags; path !== folder; path = dirname(path)) assert.equal((await stat(path)).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(join(folder, 'records-v1', '.new')), []);
});

test('a file that is no record is not listed but left over, and what is in folders of others is not', async (t) => {
  const folder = tmpDir(t, { assertClosed: true });
  const { records, store } = await openFileStores(folder);
  await records.putRecord('app/_tags/Latest', bytes);
  const top = join(folder, 'records-v1');
  for (const made of ['lost+found', 'App']) await mkdir(join(top, made));
  const strays = [
    'app/_tags/Latest',
    'app/_tags/latest=0',
    'app/_tags/latest=80',
    'app/_tags/.swp',
    'app/a=x',
    '.DS_Store',
  ];
  for (const name of [...strays, 'lost+found/kept', 'App/kept']) await writeFile(join(top, name), 'stray');
  assert.deepEqual(
    (await collect(records.listRecords())).map(({ name }) => name),
    ['app/_tags/Latest'],
  );
  const left = await collect(store.listLeftovers());
  assert.deepEqual(left.map(({ path }) => path).sort(), strays.map((name) => join(top, name)).sort());
  for (const leftover of left) await leftover.remove();
  assert.deepEqual(await collect(store.listLeftovers()), []);
  assert.deepEqual(Buffer.from((await records.getRecord('app/_tags/Latest'))!), bytes);
  for (const kept of ['lost+found/kept', 'App/kept']) assert.equal(await readFile(join(top, kept), 'utf8'), 'stray');
});

test('what was left half written is removed at a start when it is old, and stays while another may be at it', async (t) => {
  const folder = tmpDir(t, { assertClosed: true });
  const { records } = await openFileStores(folder);
  await records.putRecord('app/_tags/latest', bytes);
  const [old, young] = ['0'.repeat(32), '1'.repeat(32)].map((name) => join(folder, 'records-v1', '.new', name));
  for (const path of [old!, young!]) await writeFile(path, 'ha');
  await utimes(old!, Date.now() / 1000, (Date.now() - 2 * hourMs) / 1000);
  const { store } = await openFileStores(folder);
  assert.deepEqual(await readdir(dirname(old!)), ['1'.repeat(32)]);
  assert.deepEqual(await collect(store.listLeftovers()), []);
  const later = await openFileStores(folder, { clock: { now: () => Date.now() + 0.5 * hourMs } });
  assert.deepEqual(await readdir(dirname(old!)), ['1'.repeat(32)]);
  await utimes(young!, Date.now() / 1000, (Date.now() - hourMs) / 1000);
  assert.deepEqual(
    (await collect(later.store.listLeftovers())).map(({ path }) => path),
    [young],
  );
  assert.equal((await collect(records.listRecords())).length, 1);
});

test('records go on after their folder was emptied', async (t) => {
  const folder = tmpDir(t, { assertClosed: true });
  const { records } = await openFileStores(folder);
  await records.putRecord('team/app/_tags/latest', bytes);
  await rm(join(folder, 'records-v1'), { recursive: true });
  assert.equal(await records.getRecord('team/app/_tags/latest'), undefined);
  assert.deepEqual(await collect(records.listRecords()), []);
  await records.putRecord('team/app/_tags/latest', bytes);
  assert.deepEqual(Buffer.from((await records.getRecord('team/app/_tags/latest'))!), bytes);
});

test('a record that cannot be written says where, keeps the code, and leaves the old one and nothing half', async (t) => {
  const folder = tmpDir(t, { assertClosed: true });
  const { records, store } = await openFileStores(folder);
  await records.putRecord('app/_tags/latest', bytes);
  await assert.rejects(records.putRecord('app/_tags', bytes), {
    code: 'EISDIR',
    message: `Cannot write the record "${join(folder, 'records-v1/app/_tags')}": illegal operation on a directory (EISDIR)`,
  });
  await assert.rejects(records.putRecord('app/_tags/latest/below', bytes), { code: 'ENOTDIR' });
  assert.deepEqual(await readdir(join(folder, 'records-v1', '.new')), []);
  assert.deepEqual(Buffer.from((await records.getRecord('app/_tags/latest'))!), bytes);
  assert.deepEqual(await collect(store.listLeftovers()), []);
});

test('a folder in the place of a record is EISDIR, never "not there"', async (t) => {
  const folder = tmpDir(t, { assertClosed: true });
  const { records } = await openFileStores(folder);
  await mkdir(join(folder, 'records-v1', 'app', '_tags', 'latest'), { recursive: true });
  await assert.rejects(records.getRecord('app/_tags/latest'), { code: 'EISDIR', message: /^Cannot read the record "/ });
});

test('a record that a full disk has no room for leaves the old one, and nothing half', async (t) => {
  const folder = smallDisk(t, 512 * 1024);
  const { records } = await openFileStores(folder);
  await records.putRecord('app/_tags/latest', bytes);
  await assert.rejects(
    records.putRecord('app/_tags/latest', Buffer.alloc(1024 * 1024)),
    (error: NodeJS.ErrnoException) => {
      assert.match(error.message, /^Cannot write the record ".*\/app\/_tags\/latest": /);
      return error.code === 'ENOSPC' || error.code === 'EFBIG';
    },
  );
  assert.deepEqual(Buffer.from((await records.getRecord('app/_tags/latest'))!), bytes);
  assert.deepEqual(await readdir(join(folder, 'records-v1', '.new')), []);
  await records.putRecord('app/_tags/latest', Buffer.from('new'));
  assert.deepEqual(Buffer.from((await records.getRecord('app/_tags/latest'))!), Buffer.from('new'));
});

test('of however many records only some are read ahead of whoever lists them', async (t) => {
  const folder = tmpDir(t, { assertClosed: true });
  const { records } = await openFileStores(folder);
  await records.putRecord('team/app/_tags/first', bytes);
  const tags = join(folder, 'records-v1/team/app/_tags');
  for (let number = 0; number < 2000; number++) writeFileSync(join(tags, `v${number}`), 'x');
  let count = 0;
  for await (const _ of records.listRecords()) {
    if (count++ > 0) continue;
    rmSync(tags, { recursive: true });
  }
  assert.ok(count <= 64, `${count} were read`);
});
