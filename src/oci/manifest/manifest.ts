import { type Digest, isDigest } from '../digest.ts';
import { isObject, parseJson } from '../json.ts';
import { bareMediaType, mediaTypes } from './media-types.ts';

/**
 * More than any real manifest has (Docker allows 127 layers, the largest indexes have some hundred entries): what is
 * beyond is passed over, lest one manifest take the index for long.
 */
export const maxReferences = 2000;

// Where each kind has what it references: lists, or one, of objects that have a digest.
const indexFields = ['manifests'];
const manifestFields = ['config', 'layers'];
// What else there is: artifact manifests (`blobs`), and Docker's first schema (`fsLayers`).
const allFields = [...indexFields, ...manifestFields, 'blobs', 'fsLayers'];

const fieldsOf: ReadonlyMap<string, readonly string[]> = new Map([
  [mediaTypes.ociIndex, indexFields],
  [mediaTypes.dockerList, indexFields],
  [mediaTypes.ociManifest, manifestFields],
  [mediaTypes.dockerManifest, manifestFields],
]);

/**
 * The digests that a manifest or index references: the manifests of an index, the configuration and layers of a
 * manifest; each once. The subject is none of them. What cannot be read gives none: it is not for a cache to refuse.
 */
export function referencesOf(bytes: Uint8Array, mediaType: string): Digest[] {
  const manifest = parseJson(bytes);
  return isObject(manifest) ? referencesIn(manifest, mediaType) : [];
}

/** The digests that a manifest references, as `referencesOf` finds them, once it is parsed. */
export function referencesIn(manifest: Readonly<Record<string, unknown>>, mediaType: string): Digest[] {
  const found = new Set<Digest>();
  for (const field of fieldsOf.get(bareMediaType(mediaType)) ?? allFields) {
    const value = manifest[field];
    for (const descriptor of Array.isArray(value) ? value : [value]) {
      if (found.size === maxReferences) return [...found];
      const digest = isObject(descriptor) ? (descriptor['digest'] ?? descriptor['blobSum']) : undefined;
      if (typeof digest === 'string' && isDigest(digest)) found.add(digest);
    }
  }
  return [...found];
}
