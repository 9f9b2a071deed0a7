import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { systemReason } from './system-reason.ts';

test('says in the system’s words why a file cannot be read', async () => {
  const error = await readFile('/nobody/has/this').catch((reason: unknown) => reason);

  assert.equal(systemReason(error), 'no such file or directory (ENOENT)');
});

test('says what to do where something can be done', () => {
  const error = Object.assign(new Error(), { code: 'EROFS', errno: -30 });

  assert.equal(systemReason(error), 'read-only file system (EROFS), mount its file system for writing');
});

test('has nothing to say of an error that is not the system’s', () => {
  assert.equal(systemReason(Object.assign(new Error('ours'), { code: 'NOTHING_KEPT' })), undefined);
  assert.equal(systemReason('thrown'), undefined);
});
