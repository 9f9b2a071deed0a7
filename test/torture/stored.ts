import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** A file of the store that a blob or manifest should be in. */
export interface BlobFile {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

/** Every file of the store below a data folder, in the order of their digests. */
export async function listBlobFiles(data: string): Promise<BlobFile[]> {
  const top = join(data, 'blobs-v1');
  const entries = await readdir(top, { recursive: true, withFileTypes: true }).catch(() => []);
  const files: BlobFile[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const stats = entry.isFile() ? await stat(path).catch(() => undefined) : undefined; // it may have been evicted
    if (stats) files.push({ path, digest: `sha256:${entry.name}`, sizeBytes: stats.size });
  }
  return files.sort((a, b) => (a.digest < b.digest ? -1 : 1));
}

/** Whether a file is what its digest says; undefined when it is not there. */
export async function isWhole(path: string, digest: string): Promise<boolean | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  } catch {
    return undefined;
  }
  return `sha256:${hash.digest('hex')}` === digest;
}

/** What is being written, and what is left of what was. */
export async function listSpoolFiles(data: string): Promise<{ readonly name: string; readonly sizeBytes: number }[]> {
  const folder = join(data, 'spool-v1');
  const names = await readdir(folder).catch(() => []);
  return Promise.all(
    names.map(async (name) => {
      const stats = await stat(join(folder, name)).catch(() => undefined); // it may just have found its place
      return { name, sizeBytes: stats?.size ?? 0 };
    }),
  );
}

/** How much of what is stored is held by what was pushed, by the index, which a server may be using. */
export function heldBytes(data: string): number {
  const index = new DatabaseSync(join(data, 'index-v1.sqlite'), { readOnly: true, timeout: 5_000 });
  try {
    return Number(index.prepare('SELECT hosted_bytes FROM totals').get()!['hosted_bytes']);
  } finally {
    index.close();
  }
}
