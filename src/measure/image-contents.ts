import { type Digest, isDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { isObject, parseJson } from '../oci/json.ts';
import { platformsOfIndex } from '../oci/manifest/platform.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import type { Registry } from '../oci/registry.ts';

/** A blob of an image. */
export interface ImageBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** What a client pulls of an image. */
export interface ImageContents {
  /** What the reference stands for: an index, or a manifest. */
  readonly digest: Digest;
  /** Configuration and layers, in their order. */
  readonly blobs: readonly ImageBlob[];
}

/** Reads what an image is made of on one platform, `linux/amd64`, or on its first where it has nothing for that one. */
export async function readImage(
  registry: Registry,
  repository: Repository,
  reference: Reference,
  platform: string,
  signal: AbortSignal,
): Promise<ImageContents> {
  const top = await registry.getManifest(repository, reference, signal);
  const choices = platformsOfIndex(top.bytes);
  const choice =
    choices.find((each) => each.platform === platform) ??
    choices.find((each) => each.platform.startsWith(`${platform}/`)) ?? // linux/arm64/v8
    choices[0];
  const { bytes } = choice === undefined ? top : await registry.getManifest(repository, choice.digest, signal);
  return { digest: top.digest, blobs: blobsOf(bytes) };
}

/** The largest blob: what a download of is the least disturbed by all that comes before it. */
export function largestBlob({ blobs }: ImageContents): ImageBlob {
  return blobs.reduce((largest, blob) => (blob.sizeBytes > largest.sizeBytes ? blob : largest));
}

function blobsOf(bytes: Uint8Array): ImageBlob[] {
  const manifest = parseJson(bytes);
  const fields = isObject(manifest) ? [manifest['config'], manifest['layers']].flat() : [];
  const blobs = fields.flatMap((descriptor) => {
    if (!isObject(descriptor)) return [];
    const { digest, size } = descriptor as { digest?: unknown; size?: unknown };
    return typeof digest === 'string' && isDigest(digest) && typeof size === 'number'
      ? [{ digest, sizeBytes: size }]
      : [];
  });
  if (blobs.length > 0) return blobs;
  throw new RegistryError('UNSUPPORTED', 'Cannot pull this image: its manifest names no layers');
}

/** The platform that clients on this machine pull for. */
export function machinePlatform(arch: string = process.arch): string {
  const name = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }[arch] ?? arch;
  return `linux/${name}`; // also where containers run in a virtual machine
}
