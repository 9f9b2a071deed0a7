import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { tmpDir } from './tmp.ts';

/**
 * Makes a folder that is full after so many bytes. Where mounting is allowed it is a file system of its own, so that
 * everything in it meets the end of the disk (ENOSPC); elsewhere no file of this process may grow larger (EFBIG), which
 * writers meet in the same way: a short write, then an error. It is called before whatever uses the folder is started.
 */
export function smallDisk(t: TestContext, sizeBytes: number): string {
  let mounted: string | undefined;
  // As with tmpDir(): a hook of a hook comes after those that stop what uses the folder, and before it is removed.
  t.after(() => t.after(() => mounted && unmount(mounted)));
  const folder = join(tmpDir(t, { assertClosed: true }), 'disk');
  mkdirSync(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder], { stdio: 'pipe' });
    mounted = folder;
  } catch {
    limitFileSize(t, sizeBytes);
  }
  return folder;
}

/** Fails when a file of the folder is open still. */
function unmount(folder: string): void {
  try {
    execFileSync('umount', [folder], { stdio: 'pipe' });
  } catch (error) {
    execFileSync('umount', ['--lazy', folder], { stdio: 'pipe' });
    throw error;
  }
}

function limitFileSize(t: TestContext, sizeBytes: number): void {
  const setLimit = (limit: string) => execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${limit}:`]);
  const ignore = () => {}; // without a listener, the signal that announces the limit ends the process
  process.on('SIGXFSZ', ignore);
  setLimit(`${sizeBytes}`);
  t.after(() => {
    setLimit('unlimited');
    process.off('SIGXFSZ', ignore);
  });
}
