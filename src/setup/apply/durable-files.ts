import { constants } from 'node:fs';
import { chmod, mkdir, open, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Who may do what with a file. */
export interface FileRights {
  readonly mode: number;
  /** Who owns it; undefined for whoever makes it. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** The few things that are done to the file system; each is done, and lasts, when it resolves. */
export interface DurableFiles {
  /** Puts a file in place as a whole: at no time is a part of it to be seen. Its folder is there. */
  put(path: string, bytes: Uint8Array, rights: FileRights): Promise<void>;
  /** Removes a file; one that is not there is fine. */
  remove(path: string): Promise<void>;
  /** Removes what a run that was killed may have left beside a file. */
  clean(path: string): Promise<void>;
  /** Makes a folder in one that is there; one that is there itself is fine. */
  makeFolder(path: string, mode: number): Promise<void>;
  /** Removes a folder if there is nothing in it. */
  removeFolder(path: string): Promise<void>;
}

/** The file system of this machine. */
export const systemFiles: DurableFiles = { put, remove, clean, makeFolder, removeFolder };

async function put(path: string, bytes: Uint8Array, { mode, owner }: FileRights): Promise<void> {
  await clean(path);
  const fresh = freshPath(path);
  // Nobody reads it before its rights are those that it is to have.
  const file = await open(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await file.writeFile(bytes);
    if (owner && (owner.uid !== process.getuid?.() || owner.gid !== process.getgid?.())) {
      await file.chown(owner.uid, owner.gid);
    }
    await file.chmod(mode);
    await file.sync();
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await syncFolder(dirname(path));
}

// Beside it, as a rename stays within one file system; its name is none that a client reads.
function freshPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.entrepot-new`);
}

function clean(path: string): Promise<void> {
  return rm(freshPath(path), { force: true });
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return;
  }
  await syncFolder(dirname(path));
}

async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return;
  }
  await chmod(path, mode); // whatever the mask of this process
  await syncFolder(dirname(path));
}

async function removeFolder(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(code)) throw error;
    return;
  }
  await syncFolder(dirname(path));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
