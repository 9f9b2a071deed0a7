import { rm, stat } from 'node:fs/promises';
import type { Leftover } from '../blob-store.ts';
import { unlessMissing } from './fs-reader.ts';

/** What is written in one go takes milliseconds: what is so old was left by a process that was killed. */
export const maxNewAgeMs = 60 * 60 * 1000;

/** A file as something that was left; undefined when it is gone. */
export async function leftoverAt(path: string): Promise<Leftover | undefined> {
  const stats = await unlessMissing(stat(path));
  if (stats === undefined) return undefined;
  return { path, sizeBytes: stats.size, writtenAtMs: stats.mtimeMs, remove: () => rm(path, { force: true }) };
}
