import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { lockFile } from './file-lock.ts';

const newPath = (t: TestContext) => join(tmpDir(t, { assertClosed: true }), 'it.lock');

test('any number share a file, and none has it alone meanwhile', (t) => {
  const path = newPath(t);
  const shared = [lockFile(path, 'shared'), lockFile(path, 'shared')];
  for (const lock of shared) {
    assert.equal(lockFile(path, 'alone'), undefined);
    lock!.release();
  }
  lockFile(path, 'alone')!.release();
});

test('who has it alone shares it with nobody, until it is released', (t) => {
  const path = newPath(t);
  const alone = lockFile(path, 'alone');
  assert.deepEqual([lockFile(path, 'alone'), lockFile(path, 'shared')], [undefined, undefined]);
  alone!.release();
  lockFile(path, 'shared')!.release();
});

test('a lock leaves nothing but an empty file', (t) => {
  const path = newPath(t);
  for (const how of ['alone', 'shared'] as const) {
    const lock = lockFile(path, how);
    assert.deepEqual(readdirSync(dirname(path)), ['it.lock']);
    lock!.release();
  }
  assert.equal(statSync(path).size, 0);
});

test('a file that cannot be locked is an error, and no lock of somebody else’s', (t) => {
  assert.throws(() => lockFile(join(tmpDir(t), 'missing', 'it.lock'), 'alone'), /unable to open/);
});

test('a file that cannot be had is named, with what to do', (t) => {
  const path = join(dirname(newPath(t)), 'none', 'it.lock');
  const message =
    /^Cannot lock ".*it\.lock": unable to open database file; this user has to be able to write in its folder$/;
  assert.throws(() => lockFile(path, 'shared'), { code: 'LOCK_REFUSED', message });
});
