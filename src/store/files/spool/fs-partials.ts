import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { entries } from '../../folders/folder.ts';
import { buryOwner } from '../../folders/owner-lock.ts';
import { parseSpoolName, type StoreFolders } from '../fs-layout.ts';
import { leftoverAt, maxNewAgeMs } from '../fs-leftover.ts';
import { storedFileSize, unlessMissing } from '../fs-reader.ts';

// Nobody came back for it in so long, so nobody will; and upstream may have dropped the image meanwhile.
const maxAgeMs = 24 * 60 * 60 * 1000;

/** What was written of a blob by a writer that is gone. */
interface Partial {
  readonly path: string;
  readonly sizeBytes: number;
  readonly writtenAtMs: number;
}

/**
 * Keeps what the writers of dead processes left, so that it can be taken over, and removes what is of no use; called when
 * a store is opened.
 */
export async function adoptPartials(folders: StoreFolders, nowMs: number): Promise<void> {
  const owners = new Map<string, boolean>();
  const isDead = (owner: string) => {
    const known = owners.get(owner) ?? buryOwner(folders.spool, owner);
    owners.set(owner, known);
    return known;
  };
  for await (const { name } of entries(folders.spool)) {
    const parsed = parseSpoolName(name);
    if (parsed?.kind === 'new') await removeIfOld(join(folders.spool, name), nowMs);
    if (parsed?.kind !== 'part' && parsed?.kind !== 'lock') continue;
    if (!isDead(parsed.owner)) continue;
    if (parsed.kind === 'part') await adopt(join(folders.spool, name), join(folders.spool, parsed.keptName));
  }
}

/** What can be taken over. */
export async function listPartials(folders: StoreFolders): Promise<Partial[]> {
  const partials: Partial[] = [];
  for await (const { name } of entries(folders.spool)) {
    if (parseSpoolName(name)?.kind !== 'kept') continue;
    const path = join(folders.spool, name);
    const stats = await unlessMissing(stat(path)); // somebody may take it over at this moment
    if (stats?.isFile()) partials.push({ path, sizeBytes: stats.size, writtenAtMs: stats.mtimeMs });
  }
  return partials;
}

/** Removes what is too old to be taken over and, the oldest first, what is more than `maxBytes` in all. */
export async function prunePartials(folders: StoreFolders, nowMs: number, maxBytes: number): Promise<void> {
  const partials = await listPartials(folders);
  let totalBytes = 0;
  for (const { path, sizeBytes, writtenAtMs } of partials.sort((a, b) => b.writtenAtMs - a.writtenAtMs)) {
    totalBytes += sizeBytes;
    if (writtenAtMs < nowMs - maxAgeMs || totalBytes > maxBytes) await rm(path, { force: true });
  }
}

async function removeIfOld(path: string, nowMs: number): Promise<void> {
  const left = await leftoverAt(path);
  if (left && left.writtenAtMs < nowMs - maxNewAgeMs) await left.remove();
}

// Of several the longest is kept. Another process may do the same at the same time, and be first.
async function adopt(path: string, kept: string): Promise<void> {
  const [size = 0, keptSize = 0] = [await storedFileSize(path), await storedFileSize(kept)];
  if (size > keptSize) await unlessMissing(rename(path, kept));
  else await rm(path, { force: true });
}
