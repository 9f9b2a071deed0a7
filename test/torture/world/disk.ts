import { execFile, execFileSync } from 'node:child_process';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A folder on a file system of its own, which can be filled to its last byte. */
export interface Disk {
  readonly folder: string;
  /** `none`: no file system may be made here, so the disk is the machine's, and cannot be filled. */
  readonly kind: 'ext4' | 'tmpfs' | 'none';
  fill(): Promise<void>;
  free(): Promise<void>;
  /** Takes it away, also while a process that is being ended has files open on it. */
  remove(): void;
}

/** Makes a small disk: a loop-mounted ext4, else a tmpfs, else only a folder. */
export async function makeDisk(scratch: string, sizeBytes: number): Promise<Disk> {
  const folder = join(scratch, 'disk');
  await mkdir(folder, { recursive: true });
  const kind = (await mountExt4(scratch, folder, sizeBytes)) ?? (await mountTmpfs(folder, sizeBytes)) ?? 'none';
  const ballast = join(folder, 'ballast');
  return {
    folder,
    kind,
    async fill() {
      if (kind === 'none') return;
      const { bavail, bsize } = await statfs(folder);
      await run('fallocate', ['-l', `${Math.max(bsize, bavail * bsize)}`, ballast]).catch(() => {});
      // Others write meanwhile, and what they free is taken, too.
      for (let piece = 0; piece < 1_000; piece++) {
        const isFull = await writeFile(`${ballast}-${piece}`, Buffer.alloc(64 * 1024)).then(
          () => false,
          () => true,
        );
        if (isFull) return;
      }
    },
    async free() {
      await run('sh', ['-c', 'rm -f "$1" "$1"-*', 'sh', ballast]);
    },
    remove() {
      if (kind !== 'none') execFileSync('umount', ['--lazy', folder], { stdio: 'pipe' });
    },
  };
}

async function mountExt4(scratch: string, folder: string, sizeBytes: number): Promise<'ext4' | undefined> {
  const image = join(scratch, 'disk.img');
  try {
    await run('truncate', ['-s', `${sizeBytes}`, image]);
    await run('mkfs.ext4', ['-q', '-m', '0', '-O', '^has_journal', image]);
    await run('mount', ['-o', 'loop', image, folder]);
    return 'ext4';
  } catch {
    await rm(image, { force: true });
    return undefined;
  }
}

async function mountTmpfs(folder: string, sizeBytes: number): Promise<'tmpfs' | undefined> {
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder]);
    return 'tmpfs';
  } catch {
    return undefined;
  }
}
