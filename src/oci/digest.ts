import { createHash } from 'node:crypto';
import { RegistryError } from './errors.ts';

/** The digest of some content: `sha256:` or `sha512:` and lower-case hex. Made only by `parseDigest` and `digestOf`. */
export type Digest = string & { readonly brand: 'Digest' };

/** The algorithms that content is verified by: the two that the image spec registers. */
export type DigestAlgorithm = 'sha256' | 'sha512';

const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Whether the text is a digest of a known algorithm, in canonical form. */
export function isDigest(text: string): text is Digest {
  return digestPattern.test(text);
}

/**
 * Parses a digest.
 * @throws RegistryError DIGEST_INVALID when the algorithm is unknown or the hex is malformed
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new RegistryError(
    'DIGEST_INVALID',
    `Cannot read digest "${text.slice(0, 200)}": expected sha256 or sha512 and lower-case hex`,
  );
}

/** The algorithm of a digest. */
export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512';
}

/** The hex part of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The digest of bytes that are in memory: for manifests and other small content only. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}
