import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { writeWholeFile } from './output-file.ts';

const write = (path: string, text = 'new') => writeWholeFile(path, (put) => put(Buffer.from(text)));

test('a file takes the place of another when it is whole, and of none when the work fails', async (t) => {
  const path = join(tmpDir(t), 'images.tar');
  await write(path, 'old');
  await assert.rejects(
    writeWholeFile(path, async (put) => {
      await put(Buffer.from('half'));
      throw new Error('broken off');
    }),
    /broken off/,
  );
  assert.equal(readFileSync(path, 'utf8'), 'old');
  await write(path);
  assert.equal(readFileSync(path, 'utf8'), 'new');
  assert.deepEqual(readdirSync(join(path, '..')), ['images.tar']);
});

// As root, `--output /dev/null` put a file in the place of the device.
test('what is no file is not replaced by one', async (t) => {
  const folder = tmpDir(t);
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  mkdirSync(join(folder, 'folder'));
  for (const name of ['pipe', 'folder']) {
    await assert.rejects(write(join(folder, name)), { message: /it is there and no file, name another$/ });
  }
  assert.ok(lstatSync(pipe).isFIFO());
  assert.deepEqual(readdirSync(folder).sort(), ['folder', 'pipe']);
});

test('through a link the file at its end is written, and the link stays', async (t) => {
  const folder = tmpDir(t);
  mkdirSync(join(folder, 'disk'));
  writeFileSync(join(folder, 'disk', 'images.tar'), 'old');
  symlinkSync('disk/images.tar', join(folder, 'link'));
  await write(join(folder, 'link'));
  assert.ok(lstatSync(join(folder, 'link')).isSymbolicLink());
  assert.equal(readFileSync(join(folder, 'disk', 'images.tar'), 'utf8'), 'new');
});

test('what cannot be written is told with its name and the reason', async (t) => {
  const path = join(tmpDir(t), 'missing', 'images.tar');
  await assert.rejects(write(path), { message: `Cannot write "${path}": no such file or directory (ENOENT)` });
});
