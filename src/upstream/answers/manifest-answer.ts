import { algorithmOf, type Digest, digestOf, isDigest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { bareMediaType, isMediaType, mediaTypes } from '../../oci/manifest/media-types.ts';
import { isDigestReference, type Reference } from '../../oci/reference.ts';
import type { Manifest, ManifestDescriptor } from '../../oci/registry.ts';
import type { ResponseHead } from '../transport/head.ts';
import { encodingOf } from './answer-content.ts';

/** Types that say nothing: then the manifest itself is looked at (old Red Hat manifests come as text/plain). */
const vagueTypes = new Set(['', 'text/plain', 'application/json', 'application/octet-stream', 'binary/octet-stream']);

/**
 * What the head of an answer says of a manifest; undefined when it leaves out the digest, the size or the type, as some
 * registries do for tags, or when its size is that of an encoded body.
 */
export function descriptorOfHead(head: ResponseHead, reference: Reference): ManifestDescriptor | undefined {
  const { headers } = head;
  if (encodingOf(head)) return undefined;
  const digest = headers.get('docker-content-digest') ?? (isDigestReference(reference) ? reference : '');
  const length = headers.get('content-length') ?? '';
  const mediaType = bareMediaType(headers.get('content-type') ?? '');
  if (!isDigest(digest) || !/^[1-9]\d{0,14}$/.test(length) || vagueTypes.has(mediaType)) return undefined;
  if (isDigestReference(reference) && digest !== reference) return undefined;
  return { digest, mediaType, sizeBytes: Number(length) };
}

/**
 * A manifest from the head and the body of an answer, verified against the digest that it was asked for by, and that
 * the registry claims for it.
 * @throws RegistryError UNAVAILABLE when the bytes are others
 */
export function manifestOfAnswer(
  head: ResponseHead,
  bytes: Uint8Array,
  reference: Reference,
  upstream: string,
): Manifest {
  const claimed = head.headers.get('docker-content-digest');
  const expected = isDigestReference(reference)
    ? reference
    : claimed !== undefined && isDigest(claimed)
      ? claimed
      : undefined;
  const digest: Digest = digestOf(bytes, expected === undefined ? 'sha256' : algorithmOf(expected));
  if (expected !== undefined && digest !== expected) {
    throw new RegistryError(
      'UNAVAILABLE',
      `Cannot use the manifest from ${upstream}: wanted ${expected}, its bytes are ${digest}`,
    );
  }
  return { digest, bytes, sizeBytes: bytes.length, mediaType: mediaTypeOf(head, bytes) };
}

function mediaTypeOf(head: ResponseHead, bytes: Uint8Array): string {
  const given = bareMediaType(head.headers.get('content-type') ?? '');
  return vagueTypes.has(given) ? sniffMediaType(bytes) : given;
}

/** The media type that a manifest gives itself or, as it may leave it out, that its shape has. */
export function sniffMediaType(bytes: Uint8Array): string {
  try {
    const manifest = JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown> | null;
    const own = manifest?.['mediaType'];
    const bare = typeof own === 'string' ? bareMediaType(own) : '';
    if (isMediaType(bare)) return bare;
    if (Array.isArray(manifest?.['manifests'])) return mediaTypes.ociIndex;
    if (Array.isArray(manifest?.['layers'])) return mediaTypes.ociManifest;
  } catch {
    // What is no JSON has no type to be found.
  }
  return 'application/octet-stream';
}
