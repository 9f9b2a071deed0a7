import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { algorithmOf, type Digest, type DigestAlgorithm, hexOf, isDigest } from '../../oci/digest.ts';
import { ownerOfLock } from '../folders/owner-lock.ts';

/** The folders of a store. They carry the version of their layout: a later one begins beside them. */
export interface StoreFolders {
  /** `<algorithm>/<first two of the hex>/<hex>`: every name is a whole blob. */
  readonly blobs: string;
  /**
   * On the same file system, so that a rename is all it takes from one to the other:
   * - `<hex>.<owner><number>.part`: a blob that is being written. Its owner is a process that lives, or it is nobody's.
   * - `<hex>.kept`: a blob of which some was written, and which whoever renames it first may go on with.
   * - `<owner>.lock`: what an owner holds a lock on for as long as it lives.
   * - `<random>.new`: a blob that is being written in one go. It is nobody's when it is old.
   */
  readonly spool: string;
  /**
   * `<id>.upload` and `<id>.<owner>.json`: a blob that is being pushed, and what is known of it. Its owner is a process
   * that lives, with an `<owner>.lock`, or it is whose first takes it.
   */
  readonly uploads: string;
  /** A file for each record, in folders by its name; `.new/` has those that are being written. */
  readonly records: string;
}

/** The algorithms whose blobs have a folder. */
export const algorithms: readonly DigestAlgorithm[] = ['sha256', 'sha512'];

const spoolPattern = /^([0-9a-f]{64}|[0-9a-f]{128})\.([0-9a-f]{8})[0-9a-f]{8}\.part$/;
const keptPattern = /^(?:[0-9a-f]{64}|[0-9a-f]{128})\.kept$/;
const newPattern = /^[0-9a-f]{32}\.new$/;

/** The folders of the store in a folder, which is absolute. */
export function storeFolders(folder: string): StoreFolders {
  return {
    blobs: join(folder, 'blobs-v1'),
    spool: join(folder, 'spool-v1'),
    uploads: join(folder, 'uploads-v1'),
    records: join(folder, 'records-v1'),
  };
}

/** The folder that a blob is in: one of 256, as file systems and people are slow with folders of a million files. */
export function shardFolder(folders: StoreFolders, digest: Digest): string {
  return join(folders.blobs, algorithmOf(digest), hexOf(digest).slice(0, 2));
}

/** The names of all shards. */
export const shardNames = Array.from({ length: 256 }, (_, number) => number.toString(16).padStart(2, '0'));

/** Where a blob is. */
export function blobPath(folders: StoreFolders, digest: Digest): string {
  return join(shardFolder(folders, digest), hexOf(digest));
}

/** Whose blob a file is, by its name and that of its folder; undefined when no blob is looked for there. */
export function digestOfName(algorithm: DigestAlgorithm, shard: string, name: string): Digest | undefined {
  const digest = `${algorithm}:${name}`;
  return isDigest(digest) && name.slice(0, 2) === shard ? digest : undefined;
}

/** Where a writer of a blob writes: a name that no other has, as an owner counts its writers. */
export function spoolPath(folders: StoreFolders, digest: Digest, owner: string, number: number): string {
  return join(folders.spool, `${hexOf(digest)}.${owner}${number.toString(16).padStart(8, '0')}.part`);
}

/** Where what was written of a blob is kept for whoever goes on with it. */
export function keptPath(folders: StoreFolders, digest: Digest): string {
  return join(folders.spool, keptName(hexOf(digest)));
}

/** Where a blob is written in one go: a name that nobody has. */
export function newPath(folders: StoreFolders): string {
  return join(folders.spool, `${randomBytes(16).toString('hex')}.new`);
}

/** What a name in the spool folder says; undefined when it is none of the store's. */
export function parseSpoolName(name: string): SpoolName | undefined {
  const [, hex, writer] = spoolPattern.exec(name) ?? [];
  if (hex !== undefined && writer !== undefined) return { kind: 'part', owner: writer, keptName: keptName(hex) };
  if (keptPattern.test(name)) return { kind: 'kept' };
  if (newPattern.test(name)) return { kind: 'new' };
  const owner = ownerOfLock(name);
  return owner === undefined ? undefined : { kind: 'lock', owner };
}

/** What a name in the spool folder says. */
export type SpoolName =
  /** `keptName` is what it is called when it is nobody's. */
  | { readonly kind: 'part'; readonly owner: string; readonly keptName: string }
  | { readonly kind: 'kept' }
  | { readonly kind: 'new' }
  | { readonly kind: 'lock'; readonly owner: string };

function keptName(hex: string): string {
  return `${hex}.kept`;
}
