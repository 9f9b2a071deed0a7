import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRepository, type Repository } from '../../oci/reference.ts';
import type { Leftover } from '../blob-store.ts';
import { leftoverAt } from '../files/fs-leftover.ts';
import { unlessMissing } from '../files/fs-reader.ts';
import { entries } from '../folder.ts';
import { openFile } from '../open-file.ts';
import type { StoredUpload } from '../upload-store.ts';

/** What a file of an upload is made with: it may be a part of a private image. */
export const uploadMode = 0o600;

const idPattern = /^[0-9a-f]{32}$/;
const filePattern = /^([0-9a-f]{32})\.(upload|json)$/;

const maxSidecarBytes = 4096; // a repository's name has 255 at most

/** What is known of an upload beside its bytes. */
export interface Sidecar {
  readonly repository: Repository;
  readonly beganAtMs: number;
}

/** Where an upload is; undefined when it is no id, so that none leads out of the folder. */
export function uploadPaths(
  folder: string,
  id: string,
): { readonly bytes: string; readonly sidecar: string } | undefined {
  if (!idPattern.test(id)) return undefined;
  return { bytes: join(folder, `${id}.upload`), sidecar: join(folder, `${id}.json`) };
}

/** What is known of the upload in a folder; undefined when either of its files is missing or says nothing. */
export async function statUploadFiles(folder: string, id: string): Promise<StoredUpload | undefined> {
  const paths = uploadPaths(folder, id);
  const known = paths && (await readSidecar(paths.sidecar));
  const stats = known && (await unlessMissing(stat(paths.bytes)));
  return stats && { id, ...known, sizeBytes: stats.size, writtenAtMs: stats.mtimeMs };
}

/** Every upload in a folder. */
export async function* listUploadFiles(folder: string): AsyncIterable<StoredUpload> {
  for await (const { name } of entries(folder)) {
    const [, id, kind] = filePattern.exec(name) ?? [];
    const upload = id !== undefined && kind === 'json' ? await statUploadFiles(folder, id) : undefined;
    if (upload) yield upload;
  }
}

/** The files in a folder that are of no upload. */
export async function* listUploadLeftovers(folder: string): AsyncIterable<Leftover> {
  for await (const entry of entries(folder)) {
    const id = filePattern.exec(entry.name)?.[1];
    const isOfUpload = id !== undefined && (await statUploadFiles(folder, id)) !== undefined;
    const leftover = entry.isFile() && !isOfUpload ? await leftoverAt(join(folder, entry.name)) : undefined;
    if (leftover) yield leftover;
  }
}

/**
 * Removes what says something of uploads that have no bytes (any more), as a process leaves it that is killed. One that
 * lives may be just about to begin such an upload, which is then none: its client begins another.
 */
export async function removeLoneSidecars(folder: string): Promise<void> {
  for await (const { name } of entries(folder)) {
    const [, id, kind] = filePattern.exec(name) ?? [];
    const paths = id === undefined || kind !== 'json' ? undefined : uploadPaths(folder, id);
    if (paths && (await unlessMissing(stat(paths.bytes))) === undefined) await rm(paths.sidecar, { force: true });
  }
}

/** Writes what is known of a new upload. */
export async function writeSidecar(path: string, sidecar: Sidecar): Promise<void> {
  const file = await openFile(path, 'wx', uploadMode);
  try {
    await file.write(Buffer.from(JSON.stringify(sidecar)), 0);
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
