import { chown, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolders } from '../../util/system/make-folders.ts';
import { stampFiles } from '../../util/watched/watched-stamp.ts';
import { type Authority, makeAuthority, readAuthority } from './certificates.ts';

/**
 * The authorities in a folder: `<when it was made>.crt` and `.key`, each pair one. The key is there first, and a
 * certificate appears as a whole, so a crash leaves none, or one that works.
 */
export interface AuthorityFolder {
  /** Every authority, the newest first. */
  readonly authorities: readonly StoredAuthority[];
  /** What could not be read, and why: it is left where it is. */
  readonly broken: readonly { readonly path: string; readonly reason: string }[];
}

/** An authority, and where its certificate is. */
export interface StoredAuthority extends Authority {
  readonly path: string;
}

const keyMode = 0o600;
const folderMode = 0o700;
const certMode = 0o644; // it is given to everybody
const namePattern = /^\d{13}\.crt$/;

/** Reads the authorities in a folder; none when there is no such folder. */
export async function readAuthorities(folder: string): Promise<AuthorityFolder> {
  const authorities: StoredAuthority[] = [];
  const broken: { path: string; reason: string }[] = [];
  for (const path of await certPathsIn(folder)) {
    try {
      const cert = await readFile(path, 'utf8');
      const key = await readFile(keyPathOf(path), 'utf8');
      authorities.push({ ...readAuthority({ cert, key }), path });
    } catch (error) {
      broken.push({ path, reason: (error as Error).message });
    }
  }
  return { authorities, broken };
}

/** What changes whenever an authority is added to a folder, removed from it, or written anew. */
export async function stampAuthorities(folder: string): Promise<string> {
  try {
    const certs = await certPathsIn(folder);
    const paths = certs.flatMap((path) => [path, keyPathOf(path)]);
    return [...paths, await stampFiles(paths)].join('; ');
  } catch (error) {
    return String(error);
  }
}

/**
 * Makes an authority for these hosts (for all, when undefined) beside those that are in the folder. Its files belong to
 * whom the folder around it does: root may make them for a server that runs as somebody else.
 */
export async function addAuthority(
  folder: string,
  hosts: readonly string[] | undefined,
  nowMs: number,
): Promise<StoredAuthority> {
  const authority = await makeAuthority(hosts, nowMs);
  const isNew = (await makeFolders(folder, folderMode)) !== undefined;
  const owner = await stat(dirname(folder));
  if (isNew) await give(folder, owner);
  const path = join(folder, `${String(nowMs).padStart(13, '0')}.crt`);
  await write(keyPathOf(path), authority.key, keyMode, owner);
  await write(path, authority.cert, certMode, owner);
  return { ...authority, path };
}

function keyPathOf(certPath: string): string {
  return certPath.replace(/\.crt$/, '.key');
}

/** The newest first. */
async function certPathsIn(folder: string): Promise<string[]> {
  const names = (await namesIn(folder)).filter((name) => namePattern.test(name));
  return names
    .sort()
    .reverse()
    .map((name) => join(folder, name));
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

// Nobody but root can give away what is his.
async function give(path: string, { uid, gid }: Owner): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, uid, gid);
}

/** Writes a file that is there as a whole, or not at all, also after a crash. */
async function write(path: string, text: string, mode: number, owner: Owner): Promise<void> {
  const temporary = `${path}.new`;
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await give(temporary, owner);
  await rename(temporary, path);
  const folder = await open(join(path, '..'), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
