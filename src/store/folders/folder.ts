import type { Dir } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolders } from '../../util/system/make-folders.ts';
import { isSystemError } from '../system-error.ts';
import { openFolder } from './open-file.ts';

/** What is only the owner's: folders of it are not even listed by others. */
export const privateFolderMode = 0o700;

const anyFolderMode = 0o777; // what the process may take from: its `umask`

/**
 * Makes a folder, and those above it that are missing, so that they outlive a crash: a folder's name is in the one
 * above, which is synced. When it was there already that is done unless it `isKnown` to be durable, as another process
 * may have made it a moment ago.
 */
export async function makeFolder(folder: string, isKnown: boolean, mode = anyFolderMode): Promise<void> {
  const topMade = await makeFolders(folder, mode);
  if (topMade === undefined && isKnown) return;
  const highest = dirname(topMade ?? folder);
  let parent = dirname(folder);
  await syncFolder(parent);
  while (parent !== highest) {
    parent = dirname(parent);
    await syncFolder(parent);
  }
}

/** Begins something in a folder, which is made again when somebody has emptied the data folder since the start. */
export async function inFolder<T>(folder: string, begin: () => Promise<T>, mode = anyFolderMode): Promise<T> {
  try {
    return await begin();
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    await makeFolder(folder, true, mode);
    return begin();
  }
}

/** Waits until the names in a folder are on the disk, where the file system knows how to. */
export async function syncFolder(folder: string): Promise<void> {
  const file = openFolder(folder);
  try {
    await file.sync();
  } catch (error) {
    // Some network file systems have no sync of folders; a rename there is as durable as they make it.
    if (!isSystemError(error, 'EINVAL') && !isSystemError(error, 'ENOTSUP')) throw error;
  } finally {
    await file.close();
  }
}

/** What is in a folder. One that is missing is an empty one: nothing was put there yet. */
export async function* entries(folder: string) {
  let opened: Dir;
  try {
    opened = await opendir(folder);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return;
    throw error;
  }
  yield* opened;
}
