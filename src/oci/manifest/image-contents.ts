import { type Digest, isDigest } from '../digest.ts';
import { RegistryError } from '../errors.ts';
import { isObject, parseJson } from '../json.ts';
import { maxReferences } from './manifest.ts';
import { bareMediaType, mediaTypes } from './media-types.ts';
import { platformName } from './platform.ts';

/** What a manifest says of something that it is made of. */
export interface Descriptor {
  readonly digest: Digest;
  /** Empty when it is not said. */
  readonly mediaType: string;
  /** Undefined when it is not said, as in Docker's first schema. */
  readonly sizeBytes: number | undefined;
}

/** A manifest of an index. */
export interface ChildDescriptor extends Descriptor {
  /** `linux/arm64/v8`; undefined when it is for every platform, or for none. */
  readonly platform: string | undefined;
  /** Whether it is about another manifest of the index, and nothing that is run. */
  readonly isAttestation: boolean;
}

/** What a manifest consists of: other manifests, or a configuration and layers. */
export type ImageContents =
  | { readonly kind: 'index'; readonly children: readonly ChildDescriptor[] }
  | { readonly kind: 'image'; readonly blobs: readonly Descriptor[] };

const indexTypes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerList];

/**
 * Reads what a manifest consists of, in its order, each content once. Layers that are to be had elsewhere (`urls`), and
 * not from a registry, are left out.
 * @throws RegistryError MANIFEST_INVALID
 */
export function readImageContents(bytes: Uint8Array, mediaType: string): ImageContents {
  const manifest = parseJson(bytes);
  if (!isObject(manifest)) throw invalid('it is no JSON object');
  const { manifests, config, layers, blobs, fsLayers } = manifest as Readonly<Record<string, unknown>>;
  const type = bareMediaType(mediaType);
  if (indexTypes.includes(type) || (Array.isArray(manifests) && config === undefined)) {
    return { kind: 'index', children: once(listOf(manifests, 'manifests').map(readChild)) };
  }
  const parts = [layers, blobs, fsLayers].flatMap((list) => listOf(list, 'layers'));
  const all = [...(config === undefined ? [] : [config]), ...parts.filter((part) => !isElsewhere(part))];
  return { kind: 'image', blobs: once(all.map(readDescriptor)) };
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.length <= maxReferences) return value;
  throw invalid(`its ${what} are no list, or too many`);
}

function isElsewhere(value: unknown): boolean {
  return isObject(value) && Array.isArray(value['urls']) && value['urls'].length > 0;
}

function readDescriptor(value: unknown): Descriptor {
  const { digest, blobSum, mediaType, size } = (isObject(value) ? value : {}) as Readonly<Record<string, unknown>>;
  const name = digest ?? blobSum;
  if (typeof name !== 'string' || !isDigest(name)) throw invalid('a part of it has no digest that is known');
  const sizeBytes = Number.isSafeInteger(size) && (size as number) >= 0 ? (size as number) : undefined;
  return { digest: name, mediaType: typeof mediaType === 'string' ? mediaType : '', sizeBytes };
}

function readChild(value: unknown): ChildDescriptor {
  const { platform, annotations } = (isObject(value) ? value : {}) as Readonly<Record<string, unknown>>;
  const about = isObject(annotations) ? annotations['vnd.docker.reference.type'] : undefined;
  const isUnknown = isObject(platform) && platform['os'] === 'unknown';
  return {
    ...readDescriptor(value),
    platform: platformName(platform),
    isAttestation: about === 'attestation-manifest' || isUnknown,
  };
}

function once<T extends Descriptor>(parts: readonly T[]): T[] {
  return [...new Map(parts.map((part) => [part.digest, part])).values()];
}

function invalid(why: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', `Cannot read the manifest: ${why}`);
}
