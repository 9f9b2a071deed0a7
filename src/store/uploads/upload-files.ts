import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRepository, type Repository } from '../../oci/reference.ts';
import type { Leftover } from '../blob-store.ts';
import { leftoverAt, maxNewAgeMs } from '../files/fs-leftover.ts';
import { unlessMissing } from '../files/fs-reader.ts';
import { entries } from '../folders/folder.ts';
import { openFile } from '../folders/open-file.ts';
import { buryOwner, ownerOfLock } from '../folders/owner-lock.ts';
import type { StoredUpload } from '../upload-store.ts';

/** What a file of an upload is made with: it may be a part of a private image. */
export const uploadMode = 0o600;

const idPattern = /^[0-9a-f]{32}$/;
const bytesPattern = /^([0-9a-f]{32})\.upload$/;
const sidecarPattern = /^([0-9a-f]{32})\.([0-9a-f]{8})\.json$/;

const maxSidecarBytes = 4096; // a repository's name has 255 at most

/** What is known of an upload beside its bytes. */
export interface Sidecar {
  readonly repository: Repository;
  readonly beganAtMs: number;
}

/** Whether that can be an upload's, so that none leads out of the folder. */
export function isUploadId(id: string): boolean {
  return idPattern.test(id);
}

/** Where the bytes of an upload are. */
export function bytesPath(folder: string, id: string): string {
  return join(folder, `${id}.upload`);
}

/** Where it says what an upload of an owner is: whoever gives it another name has another's upload. */
export function sidecarPath(folder: string, id: string, owner: string): string {
  return join(folder, `${id}.${owner}.json`);
}

/** Whose an upload is; undefined when nobody's. */
export async function findOwner(folder: string, id: string): Promise<string | undefined> {
  for await (const upload of listOwned(folder)) if (upload.id === id) return upload.owner;
  return undefined;
}

/**
 * What is known of an upload, by what its owner's file beside it says, or by what is known already; undefined when either
 * is missing or says nothing.
 */
export async function statUploadFiles(
  folder: string,
  id: string,
  by: string | Sidecar,
): Promise<StoredUpload | undefined> {
  const known = typeof by === 'string' ? await readSidecar(sidecarPath(folder, id, by)) : by;
  const stats = known && (await unlessMissing(stat(bytesPath(folder, id))));
  return stats && { id, ...known, sizeBytes: stats.size, writtenAtMs: stats.mtimeMs };
}

/** What may be uploads in a folder, and whose they are. */
export async function* listOwned(folder: string): AsyncIterable<{ readonly id: string; readonly owner: string }> {
  for await (const { name } of entries(folder)) {
    const [, id, owner] = sidecarPattern.exec(name) ?? [];
    if (id !== undefined && owner !== undefined) yield { id, owner };
  }
}

/** The files in a folder that are of no upload. */
export async function* listUploadLeftovers(folder: string, nowMs: number): AsyncIterable<Leftover> {
  const [uploads, said] = [new Set<string>(), new Set<string>()];
  for await (const { id, owner } of listOwned(folder)) {
    said.add(id);
    if (await statUploadFiles(folder, id, owner)) uploads.add(id);
  }
  for await (const entry of entries(folder)) {
    const { name } = entry;
    if (!entry.isFile() || ownerOfLock(name) !== undefined) continue;
    const bare = bytesPattern.exec(name)?.[1];
    const id = bare ?? sidecarPattern.exec(name)?.[1];
    // It may have been kept, or have got another owner, while the others were listed.
    if (id !== undefined && (uploads.has(id) || (await isUpload(folder, id)))) continue;
    const leftover = await leftoverAt(join(folder, name));
    if (leftover === undefined) continue;
    if (bare !== undefined && !said.has(bare) && (await isBeingWritten(folder, leftover, nowMs))) continue;
    yield leftover;
  }
}

/** Whether bytes that nothing says anything about may be an upload that somebody has just begun. */
async function isBeingWritten(folder: string, { writtenAtMs }: Leftover, nowMs: number): Promise<boolean> {
  return writtenAtMs > nowMs - maxNewAgeMs && (await hasLiveOwner(folder));
}

/** Whether anybody lives who may have begun uploads in a folder; the locks of the dead are removed. */
export async function hasLiveOwner(folder: string, but?: string): Promise<boolean> {
  for await (const { name } of entries(folder)) {
    const owner = ownerOfLock(name);
    if (owner !== undefined && owner !== but && !buryOwner(folder, owner)) return true;
  }
  return false;
}

async function isUpload(folder: string, id: string): Promise<boolean> {
  const owner = await findOwner(folder, id);
  return owner !== undefined && (await statUploadFiles(folder, id, owner)) !== undefined;
}

/**
 * Removes what a process leaves that is killed, and serves nobody: what says something of uploads that have no bytes (any
 * more), bytes that nothing says anything about, and its lock.
 */
export async function removeRemains(folder: string): Promise<void> {
  const [bytes, sidecars] = [new Set<string>(), new Map<string, string>()];
  for await (const { name } of entries(folder)) {
    const [, ofBytes] = bytesPattern.exec(name) ?? [];
    const [, ofSidecar] = sidecarPattern.exec(name) ?? [];
    if (ofBytes !== undefined) bytes.add(ofBytes);
    if (ofSidecar !== undefined) sidecars.set(ofSidecar, name);
  }
  for (const [id, name] of sidecars) {
    const isGone = (await unlessMissing(stat(bytesPath(folder, id)))) === undefined;
    if (isGone) await rm(join(folder, name), { force: true });
  }
  // Who has begun one lived before its bytes were there; looked for now, it is found, or dead.
  if (await hasLiveOwner(folder)) return;
  for (const [id, name] of sidecars) {
    const isEmpty = (await unlessMissing(stat(join(folder, name))))?.size === 0; // its writer was killed
    if (!isEmpty) continue;
    await rm(join(folder, name), { force: true });
    sidecars.delete(id);
  }
  for (const id of bytes) {
    if (!sidecars.has(id) && !(await isUpload(folder, id))) await rm(bytesPath(folder, id), { force: true });
  }
}

/** Writes what is known of a new upload. When that cannot be, nothing of it stays, and it can be tried again. */
export async function writeSidecar(path: string, sidecar: Sidecar): Promise<void> {
  const file = await openFile(path, 'w', uploadMode);
  try {
    await file.write(Buffer.from(JSON.stringify(sidecar)), 0);
  } catch (error) {
    await rm(path, { force: true }).catch(() => {}); // the next try writes over it
    throw error;
  } finally {
    await file.close();
  }
}

/** What a sidecar says; undefined when there is none, or it says nothing that can be used. */
export async function readSidecar(path: string): Promise<Sidecar | undefined> {
  const file = await unlessMissing(openFile(path, 'r'));
  if (file === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(maxSidecarBytes);
    return parseSidecar(bytes.toString('utf8', 0, await file.read(bytes, 0, maxSidecarBytes)));
  } finally {
    await file.close();
  }
}

function parseSidecar(text: string): Sidecar | undefined {
  try {
    const { repository, beganAtMs } = JSON.parse(text) as Record<string, unknown>;
    if (typeof repository !== 'string' || typeof beganAtMs !== 'number') return undefined;
    return { repository: parseRepository(repository), beganAtMs };
  } catch {
    return undefined;
  }
}
