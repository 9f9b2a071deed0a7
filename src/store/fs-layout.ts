import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { algorithmOf, type Digest, type DigestAlgorithm, hexOf, isDigest } from '../oci/digest.ts';

/** The folders of a store. They carry the version of their layout: a later one begins beside them. */
export interface StoreFolders {
  /** `<algorithm>/<first two of the hex>/<hex>`: every name is a whole blob. */
  readonly blobs: string;
  /** `<hex>.<random>.part`: blobs that are being written. On the same file system, so that a rename is all it takes. */
  readonly spool: string;
}

/** The algorithms whose blobs have a folder. */
export const algorithms: readonly DigestAlgorithm[] = ['sha256', 'sha512'];

const spoolPattern = /^(?:[0-9a-f]{64}|[0-9a-f]{128})\.[0-9a-f]{16}\.part$/;

/** The folders of the store in a folder, which is absolute. */
export function storeFolders(folder: string): StoreFolders {
  return { blobs: join(folder, 'blobs-v1'), spool: join(folder, 'spool-v1') };
}

/** The folder that a blob is in: one of 256, as file systems and people are slow with folders of a million files. */
export function shardFolder(folders: StoreFolders, digest: Digest): string {
  return join(folders.blobs, algorithmOf(digest), hexOf(digest).slice(0, 2));
}

/** Where a blob is. */
export function blobPath(folders: StoreFolders, digest: Digest): string {
  return join(shardFolder(folders, digest), hexOf(digest));
}

/** Whose blob a file is, by its name and that of its folder; undefined when no blob is looked for there. */
export function digestOfName(algorithm: DigestAlgorithm, shard: string, name: string): Digest | undefined {
  const digest = `${algorithm}:${name}`;
  return isDigest(digest) && name.slice(0, 2) === shard ? digest : undefined;
}

/** Where a new writer of a blob writes: a name that no other has. */
export function newSpoolPath(folders: StoreFolders, digest: Digest): string {
  return join(folders.spool, `${hexOf(digest)}.${randomBytes(8).toString('hex')}.part`);
}

/** Whether a name in the spool folder is that of a blob that was being written. */
export function isSpoolName(name: string): boolean {
  return spoolPattern.test(name);
}
