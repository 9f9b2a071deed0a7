import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder, and those above it that are missing; resolves with the highest that was made, if any. Node.js has this
 * too, as `recursive`, but it tries for ever where the system has no place for a folder (/proc), and says that there is
 * no such folder where the file system is read-only.
 */
export async function makeFolders(folder: string, mode?: number): Promise<string | undefined> {
  try {
    await mkdir(folder, mode);
    return folder;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (await isFolder(folder)) return undefined;
    const above = dirname(folder);
    if (code !== 'ENOENT' || above === folder || (await isFolder(above))) throw error;
    const highest = await makeFolders(above, mode);
    const made = await makeFolders(folder, mode);
    return highest ?? made;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
