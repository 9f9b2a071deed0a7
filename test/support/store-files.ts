import { once } from 'node:events';
import { existsSync, readdirSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import { algorithmOf, type Digest, hexOf } from '../../src/oci/digest.ts';

/** The folder of the blobs that are being written. */
export function spoolFolder(data: string): string {
  return join(data, 'spool-v1');
}

/** Where the file store keeps a blob. */
export function storedPath(data: string, digest: Digest): string {
  return join(data, 'blobs-v1', algorithmOf(digest), hexOf(digest).slice(0, 2), hexOf(digest));
}

/** Removes the index and what is beside it, as a crash of the disk or a person would. */
export function removeIndex(data: string): void {
  for (const name of readdirSync(data)) if (name.startsWith('index-')) rmSync(join(data, name));
}

/** The names of all files that the file store holds, in lexical order. */
export function storedBlobs(data: string): string[] {
  const folder = join(data, 'blobs-v1');
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map(({ name }) => name).sort();
}

/** Resolves when no blob is being written any more: no spool is left. */
export async function spoolEmptied(data: string): Promise<void> {
  const changes = watch(spoolFolder(data));
  try {
    while (readdirSync(spoolFolder(data)).length > 0) await once(changes, 'change');
  } finally {
    changes.close();
  }
}
