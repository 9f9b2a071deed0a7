import { type Digest, isDigest } from '../digest.ts';
import { isObject, parseJson } from '../json.ts';

/** A manifest of an index, and what it runs on: `linux/arm64/v8`. */
export interface PlatformManifest {
  readonly digest: Digest;
  readonly platform: string;
}

/** The platforms of an index, in its order. Attestations and what says no platform are none. */
export function platformsOfIndex(bytes: Uint8Array): PlatformManifest[] {
  const index = parseJson(bytes);
  const manifests = isObject(index) ? index['manifests'] : undefined;
  if (!Array.isArray(manifests)) return [];
  return manifests.flatMap((manifest: unknown) => {
    if (!isObject(manifest)) return [];
    const { digest, platform } = manifest as { digest?: unknown; platform?: unknown };
    const name = platformName(platform);
    return typeof digest === 'string' && isDigest(digest) && name !== undefined ? [{ digest, platform: name }] : [];
  });
}

/** What an image runs on, by its configuration; undefined when that does not say. */
export function platformOfConfig(bytes: Uint8Array): string | undefined {
  return platformName(parseJson(bytes));
}

/** The digest of an image's configuration, by its manifest. */
export function configOfManifest(bytes: Uint8Array): Digest | undefined {
  const manifest = parseJson(bytes);
  const config = isObject(manifest) ? manifest['config'] : undefined;
  const digest = isObject(config) ? config['digest'] : undefined;
  return typeof digest === 'string' && isDigest(digest) ? digest : undefined;
}

/**
 * The name of a platform as manifests write it: `linux/arm64/v8`; undefined when there is none. Builders give their
 * attestations the platform "unknown/unknown", which is none.
 */
export function platformName(value: unknown): string | undefined {
  if (!isObject(value)) return undefined;
  const { os, architecture, variant } = value as { os?: unknown; architecture?: unknown; variant?: unknown };
  const parts = [os, architecture, variant].filter((part) => typeof part === 'string' && part !== '');
  if (typeof os !== 'string' || typeof architecture !== 'string' || os === 'unknown') return undefined;
  // They come from upstream and are printed: nothing that a terminal would obey.
  return parts.every((part) => /^[\w.-]{1,64}$/.test(String(part))) ? parts.join('/') : undefined;
}
