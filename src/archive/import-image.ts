import type { Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/manifest/image-contents.ts';
import type { Tag } from '../oci/reference.ts';
import { gatherImage, type ImagePart } from './image-tree.ts';
import { ArchiveError, type ImageArchive } from './open-archive.ts';

/** Where an image is put: a repository. Everything is given in such an order that no half image is ever to be seen. */
export interface ImportTarget {
  /**
   * Sees to it that a blob is there, by bytes that nobody has verified yet; whether they were needed.
   * @throws Error when they are not what the digest says; then nothing is stored
   */
  putBlob(digest: Digest, sizeBytes: number, read: ReadPart, signal: AbortSignal): Promise<boolean>;
  /** Sees to it that a manifest is there, of which all that it references is; whether its bytes were needed. */
  putManifest(manifest: ImportedManifest, signal: AbortSignal): Promise<boolean>;
  /** Called last: by now everything is there, and it is to stay. */
  finish(manifest: ImportedManifest, tag: Tag | undefined, signal: AbortSignal): Promise<void>;
}

/** Reads the bytes of a blob, again at each call. */
export type ReadPart = () => AsyncGenerator<Uint8Array>;

/** A manifest whose bytes were verified. */
export interface ImportedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** An image that is put somewhere. */
export interface ImportRequest {
  readonly manifest: Descriptor;
  readonly tag: Tag | undefined;
  /** What refers to the image, or to what it consists of, goes with it. */
  readonly referrers: Referrers;
}

/** What in an archive has no name, by what it refers to. */
export type Referrers = ReadonlyMap<Digest, readonly Descriptor[]>;

/** What became of an image. */
export interface ImportedImage {
  readonly digest: Digest;
  readonly platforms: readonly string[];
  /** The platforms of its index that the archive has not. */
  readonly absent: readonly string[];
  readonly contents: number;
  readonly storedBytes: number;
  readonly presentBytes: number;
}

/**
 * Puts an image of an archive somewhere, with what refers to it.
 * @param took is told how many bytes of content are there now
 * @throws Error that says what is wrong with the image, or why it cannot be stored; the signal's reason
 */
export async function importImage(
  archive: ImageArchive,
  { manifest, tag, referrers }: ImportRequest,
  target: ImportTarget,
  { signal, took }: { readonly signal: AbortSignal; took(bytes: number): void },
): Promise<ImportedImage> {
  const tree = await gatherImage(manifest, archive, undefined);
  const parts = new Map(tree.parts.map((part) => [part.digest, part]));
  // What is added on the way has its turn, too: a signature of a list of contents.
  for (const digest of parts.keys()) {
    for (const other of referrers.get(digest) ?? []) {
      for (const part of (await gatherImage(other, archive, undefined, parts)).parts) parts.set(part.digest, part);
    }
  }
  const sums = { storedBytes: 0, presentBytes: 0 };
  for (const part of parts.values()) {
    signal.throwIfAborted();
    const isNew = await putPart(archive, part, target, signal);
    sums[isNew ? 'storedBytes' : 'presentBytes'] += part.sizeBytes;
    took(part.sizeBytes);
  }
  await target.finish(await manifestOf(archive, tree.parts.at(-1)!), tag, signal);
  const { platforms, absent } = tree;
  return { digest: manifest.digest, platforms, absent, contents: parts.size, ...sums };
}

async function putPart(
  archive: ImageArchive,
  part: ImagePart,
  target: ImportTarget,
  signal: AbortSignal,
): Promise<boolean> {
  if (part.manifestType !== undefined) return target.putManifest(await manifestOf(archive, part), signal);
  return target.putBlob(part.digest, part.sizeBytes, () => archive.read(part.digest, signal), signal);
}

async function manifestOf(archive: ImageArchive, { digest, manifestType = '' }: ImagePart): Promise<ImportedManifest> {
  const bytes = await archive.readManifest(digest);
  if (bytes === undefined) throw new ArchiveError(`Cannot use the archive: the manifest ${digest} is gone from it`);
  return { digest, mediaType: manifestType, bytes };
}
