import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { findLockHolder } from './lock-holder.ts';

/** A machine on which process 7 has the socket with inode 400, and 8 another. */
function procOf(t: TestContext): string {
  const proc = tmpDir(t);
  mkdirSync(join(proc, 'net'));
  writeFileSync(
    join(proc, 'net/unix'),
    `Num       RefCount Protocol Flags    Type St Inode Path
00000000945559a2: 00000003 00000000 00000000 0001 03  1058
00000000945559a3: 00000002 00000000 00010000 0001 01   300 @other
00000000945559a4: 00000002 00000000 00010000 0001 01   400 @the-lock
00000000945559a5: 00000002 00000000 00010000 0001 01   500 @of-another
`,
  );
  for (const [pid, inode] of [
    ['7', 400],
    ['8', 300],
  ] as const) {
    mkdirSync(join(proc, pid, 'fd'), { recursive: true });
    symlinkSync('/dev/null', join(proc, pid, 'fd/0'));
    symlinkSync(`socket:[${inode}]`, join(proc, pid, 'fd/3'));
    symlinkSync('/opt/so\x1b[2J', join(proc, pid, 'exe'));
  }
  mkdirSync(join(proc, '9')); // of another user: its files are not for us
  return proc;
}

test('who holds a lock is found by its socket, and cannot command a terminal by its path', async (t) => {
  const proc = procOf(t);
  const uid = process.getuid?.();
  assert.deepEqual(await findLockHolder('the-lock', proc), { pid: 7, uid, program: '/opt/so [2J' });
});

test('who holds it is unknown where nobody does, it is another user, or the system does not tell', async (t) => {
  const proc = procOf(t);
  assert.equal(await findLockHolder('nobodys', proc), undefined);
  assert.equal(await findLockHolder('of-another', proc), undefined);
  assert.equal(await findLockHolder('the-lock', join(proc, 'nowhere')), undefined);
});
