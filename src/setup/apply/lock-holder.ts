import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A process that holds a lock. */
export interface LockHolder {
  readonly pid: number;
  readonly uid: number;
  /** Its program: the system knows it, where the name of a process is of its own choice. Not its arguments: there may be secrets. */
  readonly program: string;
}

const inodeColumn = 6; // of /proc/net/unix; the name is the column after it, with @ for the byte that begins it

/**
 * The process that has an abstract socket of this name; undefined when it cannot be told, as whoever is not root sees the
 * sockets of their own processes only.
 * @param proc where the system tells of its processes
 */
export async function findLockHolder(socketName: string, proc = '/proc'): Promise<LockHolder | undefined> {
  const table = await readFile(join(proc, 'net/unix'), 'utf8').catch(() => '');
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  // What comes by the socket has its name, too, and is the same process's.
  const sockets = new Set(
    rows.filter((row) => row[inodeColumn + 1] === `@${socketName}`).map((row) => `socket:[${row[inodeColumn]}]`),
  );
  if (sockets.size === 0) return undefined;
  for (const pid of await readdir(proc).catch(() => [])) {
    if (/^\d+$/.test(pid) && (await hasSocket(join(proc, pid, 'fd'), sockets))) return describe(proc, pid);
  }
  return undefined;
}

async function hasSocket(folder: string, sockets: ReadonlySet<string>): Promise<boolean> {
  for (const fd of await readdir(folder).catch(() => [])) {
    if (sockets.has(await readlink(join(folder, fd)).catch(() => ''))) return true;
  }
  return false;
}

/** Undefined when it has ended meanwhile. */
async function describe(proc: string, pid: string): Promise<LockHolder | undefined> {
  try {
    const { uid } = await stat(join(proc, pid));
    const program = (await readlink(join(proc, pid, 'exe'))).replace(/\p{Cc}+/gu, ' ');
    return { pid: Number(pid), uid, program };
  } catch {
    return undefined;
  }
}
