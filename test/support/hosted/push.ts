import type { Digest } from '../../../src/oci/digest.ts';
import { algorithmOf, digestOf } from '../../../src/oci/digest.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { parseTag } from '../../../src/oci/reference.ts';
import type { MountOffer, PushableRegistry, PushedManifest, UploadBody } from '../../../src/oci/registry.ts';
import type { Content } from '../content/content.ts';
import type { TestImage } from '../content/images.ts';
import { signal } from '../contract-suite.ts';

/** An offer to mount from everywhere. */
export const anyone: MountOffer = { from: undefined, mayRead: () => true };

const pieceBytes = 64 * 1024; // what a socket gives at a time

/** Bytes as the body of a request, in several pieces whose memory is used again. */
export function bodyOf(bytes: Uint8Array, facts: Partial<Omit<UploadBody, 'bytes'>> = {}): UploadBody {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = Buffer.from(bytes.subarray(at, at + pieceBytes));
      yield piece;
      piece.fill(0xdd); // who keeps the bytes after asking for the next shall notice
    }
  }
  return { bytes: pieces(), sizeBytes: bytes.length, start: undefined, ...facts };
}

/** A request without a body. */
export const nothing: UploadBody = { bytes: (async function* () {})(), sizeBytes: 0, start: undefined };

/** Pushes a blob. */
export async function pushBlob(
  registry: PushableRegistry,
  repository: Repository,
  bytes: Uint8Array,
  digest: Digest = digestOf(bytes),
): Promise<Digest> {
  const hint = { algorithm: algorithmOf(digest), sizeBytes: bytes.length };
  const { id } = await registry.beginUpload(repository, hint, signal);
  await registry.finishUpload(repository, id, digest, bodyOf(bytes), signal);
  return digest;
}

/** Pushes an image or an index with everything below it. */
export async function pushImage(
  registry: PushableRegistry,
  repository: Repository,
  image: TestImage,
  tag?: string,
): Promise<PushedManifest> {
  for (const child of image.children) await pushImage(registry, repository, child);
  for (const { bytes, digest } of image.blobs) await pushBlob(registry, repository, bytes, digest);
  const { bytes, digest, mediaType } = image.manifest;
  const reference = tag === undefined ? digest : parseTag(tag);
  return registry.putManifest(repository, { reference, tags: [], mediaType, bytes }, signal);
}

/** Pushes all that some content holds, what is referenced before what references it. */
export async function pushContent(registry: PushableRegistry, content: Content): Promise<void> {
  for (const name of content.repositories()) {
    const repository = name as Repository;
    for (const [digest, source] of content.blobs(name)) {
      await pushBlob(registry, repository, source.read(0, source.sizeBytes), digest);
    }
    // Indexes were put after what they list.
    for (const { digest, mediaType, bytes } of content.manifests(name)) {
      await registry.putManifest(repository, { reference: digest, tags: [], mediaType, bytes }, signal);
    }
    for (const tag of (content.tags(name) ?? []).map(parseTag)) {
      const { mediaType, bytes } = content.manifest(name, tag)!;
      await registry.putManifest(repository, { reference: tag, tags: [], mediaType, bytes }, signal);
    }
  }
}
