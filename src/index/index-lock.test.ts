import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { tmpDir } from '../../test/support/disk/tmp.ts';
import { lockForReplacement, lockForUse } from './index-lock.ts';

test('any number may use an index, and none of them while it is replaced', (t) => {
  const file = join(tmpDir(t, { assertClosed: true }), 'data', 'index.sqlite');
  const [first, second] = [lockForUse(file), lockForUse(file)];
  assert(first && second);
  assert.equal(lockForReplacement(file), undefined);
  first.release();
  assert.equal(lockForReplacement(file), undefined);
  second.release();
  const replacing = lockForReplacement(file);
  assert(replacing);
  assert.equal(lockForUse(file), undefined);
  assert.equal(lockForReplacement(file), undefined);
  replacing.release();
  lockForUse(file)!.release();
});

test('a process that is killed holds nothing any more', async (t) => {
  const file = join(tmpDir(t), 'index.sqlite');
  const source = `import { lockForUse } from ${JSON.stringify(new URL('./index-lock.ts', import.meta.url).href)};
    const lock = lockForUse(${JSON.stringify(file)});
    console.log(lock !== undefined);
    setInterval(() => lock, 1000); // collected as garbage, it would be released`;
  const user = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = once(user, 'exit');
  t.after(() => user.kill('SIGKILL'));
  const [said] = await once(user.stdout, 'data');
  assert.equal(String(said), 'true\n');
  assert.equal(lockForReplacement(file), undefined);
  user.kill('SIGKILL');
  await gone;
  lockForReplacement(file)!.release();
});
