import { createHash } from 'node:crypto';
import { lstat, readFile, readlink, realpath } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { SetupError } from '../target.ts';
import type { FileRights } from './durable-files.ts';

/** The machine whose files are changed: this one, or a folder that is to be the root of one. */
export interface Machine {
  readonly root: string;
}

/** What is at a path. */
export interface FoundFile {
  readonly bytes: Buffer;
  readonly rights: FileRights;
}

/** Where a path of the machine is for this process. */
export function placeOf({ root }: Machine, path: string): string {
  return join(resolve(root), path);
}

/**
 * Reads a file that may be changed; undefined when there is none.
 * @throws SetupError CANNOT_WRITE where changing it would change what is elsewhere: a link, or not a file
 */
export async function readFound(machine: Machine, path: string): Promise<FoundFile | undefined> {
  const place = placeOf(machine, path);
  await checkFolder(machine, path);
  const found = await lstat(place).catch(noneWhenMissing);
  if (found === undefined) return undefined;
  if (found.isSymbolicLink()) {
    const to = await readlink(place);
    throw new SetupError(
      'CANNOT_WRITE',
      `Cannot change "${path}": it is a link to "${to}", which something else looks after; make the change there, ` +
        '--merge prints it',
    );
  }
  if (!found.isFile()) throw new SetupError('CANNOT_WRITE', `Cannot change "${path}": it is no file, move it away`);
  const { mode, uid, gid } = found;
  return { bytes: await readFile(place), rights: { mode: mode & 0o7777, owner: { uid, gid } } };
}

/** The folders above a path that are not there yet, the outermost first. */
export async function missingFolders(machine: Machine, path: string): Promise<string[]> {
  const folder = dirname(path);
  if (folder === path || (await lstat(placeOf(machine, folder)).catch(noneWhenMissing))) return [];
  return [...(await missingFolders(machine, folder)), folder];
}

/** The digest of what is in a file; null for none. */
export function digestOf(bytes: Uint8Array | undefined): string | null {
  return bytes === undefined ? null : createHash('sha256').update(bytes).digest('hex');
}

/**
 * Sees to it that a path is within the root: in an image, a link to `/etc` is to the image's own, which only its own system knows.
 * @throws SetupError CANNOT_WRITE
 */
export async function checkFolder(machine: Machine, path: string): Promise<void> {
  const root = await realpath(machine.root);
  const missing = await missingFolders(machine, path);
  const there = await realpath(placeOf(machine, missing[0] === undefined ? dirname(path) : dirname(missing[0])));
  if (there === root || there.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)) return;
  throw new SetupError(
    'CANNOT_WRITE',
    `Cannot change "${path}": a link leads from there to "${there}", out of "${machine.root}"`,
  );
}

function noneWhenMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
