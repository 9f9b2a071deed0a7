import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { algorithmOf, type Digest, hexOf } from '../../../src/oci/digest.ts';
import type { Stage } from '../stages/stage.ts';

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

/** The blobs of which a writer that is gone left some, by the hex of their digests. */
export function partialBlobs(data: string): string[] {
  const names = readdirSync(spoolFolder(data)).filter((name) => name.endsWith('.kept'));
  return names.map((name) => name.slice(0, -'.kept'.length)).sort();
}

/** Resolves when so many bytes of a blob that is being written are in its file. */
export async function spooled(data: string, sizeBytes: number): Promise<void> {
  const isThere = (name: string) => name.endsWith('.part') && statSync(join(spoolFolder(data), name)).size >= sizeBytes;
  await spoolReaches(data, (names) => names.some(isThere));
}

/** Resolves when no blob is being written any more, and none is left half done: no spool is left. */
export async function spoolEmptied(data: string): Promise<void> {
  await spoolReaches(data, (names) => names.length === 0);
}

/** Resolves when no blob is being written any more: what is left is kept for whoever goes on with it. */
export async function writersEnded(data: string): Promise<void> {
  await spoolReaches(data, (names) => names.every((name) => name.endsWith('.kept')));
}

async function spoolReaches(data: string, isReached: (names: readonly string[]) => boolean): Promise<void> {
  const changes = watch(spoolFolder(data));
  try {
    while (!isReached(readdirSync(spoolFolder(data)))) await once(changes, 'change');
  } finally {
    changes.close();
  }
}

/** Fails unless a download has failed, and nothing of it is left on the disk. */
export async function assertNothingKept({ data, log }: Pick<Stage, 'data' | 'log'>): Promise<void> {
  await log.waitFor('blob download failed');
  await spoolEmptied(data);
  assert.deepEqual(storedBlobs(data), []);
  assert.deepEqual(log.named('blob stored'), []);
}
