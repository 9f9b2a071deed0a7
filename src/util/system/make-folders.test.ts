import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeFolders } from './make-folders.ts';

async function temporary(t: { after(end: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-folders-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('makes a folder with those above it, and tells the highest', async (t) => {
  const top = await temporary(t);

  assert.equal(await makeFolders(join(top, 'a/b/c'), 0o700), join(top, 'a'));

  assert.equal((await stat(join(top, 'a/b/c'))).mode & 0o777, 0o700);
  assert.equal((await stat(join(top, 'a'))).mode & 0o777, 0o700);
  assert.equal(await makeFolders(join(top, 'a/b/d')), join(top, 'a/b/d'));
});

test('leaves a folder that is there, and tells of none', async (t) => {
  assert.equal(await makeFolders(await temporary(t)), undefined);
});

test('tells of one highest folder when several make it at the same moment', async (t) => {
  const top = await temporary(t);

  const made = await Promise.all(['x', 'y', 'z'].map((name) => makeFolders(join(top, 'a/b', name))));

  assert.ok(made.includes(join(top, 'a')));
  assert.equal((await stat(join(top, 'a/b/z'))).isDirectory(), true);
});

test('refuses where a file is in the way', async (t) => {
  const file = join(await temporary(t), 'file');
  await writeFile(file, '');

  await assert.rejects(makeFolders(file), { code: 'EEXIST' });
  await assert.rejects(makeFolders(join(file, 'below')), { code: 'ENOTDIR' });
});

test('ends where the system has no place for a folder', async () => {
  await assert.rejects(makeFolders('/proc/entrepot/below'));
});
