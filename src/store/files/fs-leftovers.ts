import { join } from 'node:path';
import type { DigestAlgorithm } from '../../oci/digest.ts';
import type { Leftover } from '../blob-store.ts';
import { entries } from '../folders/folder.ts';
import { listRecordLeftovers } from '../records/fs-records.ts';
import { listUploadLeftovers } from '../uploads/upload-files.ts';
import { algorithms, digestOfName, parseSpoolName, type StoreFolders } from './fs-layout.ts';
import { leftoverAt } from './fs-leftover.ts';

/**
 * The files in the store's folders that no layout knows. Folders that are not the store's are not looked into: a file
 * system that is mounted there has some of its own.
 */
export async function* listLeftovers(folders: StoreFolders, nowMs: number): AsyncIterable<Leftover> {
  const { blobs, spool, uploads, records } = folders;
  yield* strangeFiles(blobs, () => false);
  for (const algorithm of algorithms) yield* strangeBlobs(join(blobs, algorithm), algorithm);
  yield* strangeFiles(spool, (name) => parseSpoolName(name) !== undefined);
  yield* listUploadLeftovers(uploads, nowMs);
  yield* listRecordLeftovers(records, nowMs);
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
    const leftover = await leftoverAt(join(folder, entry.name));
    if (leftover) yield leftover;
  }
}
