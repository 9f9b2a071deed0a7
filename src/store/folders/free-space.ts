import { statfs } from 'node:fs/promises';

/** How many bytes may still be written, by whoever this runs as, to the file system that a folder is on. */
export async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
