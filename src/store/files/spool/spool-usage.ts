import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseSpoolName, storeFolders } from '../fs-layout.ts';
import { unlessMissing } from '../fs-reader.ts';

/** How much the blobs in a store's folder take that are being written, or that were left when somebody wrote them. */
export async function spoolUsage(folder: string): Promise<{ readonly files: number; readonly sizeBytes: number }> {
  const { spool } = storeFolders(resolve(folder));
  const usage = { files: 0, sizeBytes: 0 };
  for (const name of (await unlessMissing(readdir(spool))) ?? []) {
    const kind = parseSpoolName(name)?.kind;
    if (kind === undefined || kind === 'lock' || kind === 'new') continue;
    const stats = await unlessMissing(stat(join(spool, name))); // it may end at this moment
    if (stats === undefined) continue;
    usage.files++;
    usage.sizeBytes += stats.size;
  }
  return usage;
}
