import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DigestAlgorithm } from '../oci/digest.ts';
import type { Leftover } from './blob-store.ts';
import { entries } from './folder.ts';
import { algorithms, digestOfName, parseSpoolName, type StoreFolders } from './fs-layout.ts';
import { unlessMissing } from './fs-reader.ts';

/**
 * The files in the store's folders that no layout knows. Folders that are not the store's are not looked into: a file
 * system that is mounted there has some of its own.
 */
export async function* listLeftovers({ blobs, spool }: StoreFolders): AsyncIterable<Leftover> {
  yield* strangeFiles(blobs, () => false);
  for (const algorithm of algorithms) yield* strangeBlobs(join(blobs, algorithm), algorithm);
  yield* strangeFiles(spool, (name) => parseSpoolName(name) !== undefined);
}

async function* strangeBlobs(top: string, algorithm: DigestAlgorithm): AsyncIterable<Leftover> {
  yield* strangeFiles(top, () => false);
  for await (const shard of entries(top)) {
    if (!shard.isDirectory() || !/^[0-9a-f]{2}$/.test(shard.name)) continue;
    yield* strangeFiles(join(top, shard.name), (name) => digestOfName(algorithm, shard.name, name) !== undefined);
  }
}

async function* strangeFiles(folder: string, isKnown: (name: string) => boolean): AsyncIterable<Leftover> {
  for await (const entry of entries(folder)) {
    if (!entry.isFile() || isKnown(entry.name)) continue;
    const path = join(folder, entry.name);
    const stats = await unlessMissing(stat(path));
    if (stats === undefined) continue;
    yield { path, sizeBytes: stats.size, writtenAtMs: stats.mtimeMs, remove: () => rm(path, { force: true }) };
  }
}
