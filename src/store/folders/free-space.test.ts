import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { freeBytesOf } from './free-space.ts';

test('the free space of a folder is that of its file system', async (t) => {
  const folder = tmpDir(t);
  const { f_bavail: blocks, f_frsize: blockBytes } = JSON.parse(
    execFileSync('stat', ['-f', '-c', '{"f_bavail":%a,"f_frsize":%S}', folder], { encoding: 'utf8' }),
  );
  const free = await freeBytesOf(folder);
  // Others write meanwhile.
  assert.ok(Math.abs(free - blocks * blockBytes) < 1e9, `${free} and ${blocks * blockBytes}`);
});

test('the free space of a folder that is not there cannot be told', async (t) => {
  await assert.rejects(freeBytesOf(join(tmpDir(t), 'missing')), { code: 'ENOENT' });
});
