import assert from 'node:assert/strict';
import { type Digest, digestOf } from '../../../../src/oci/digest.ts';
import type { ImageManifest, TestImage } from '../images.ts';

/** What a client says that it holds for one architecture: as much as it tells. */
export type PulledManifest = Partial<Pick<ImageManifest, 'digest' | 'config' | 'layers' | 'diffIds'>>;

/** What a client holds after a pull. */
export interface PulledImage {
  /** What the reference led to: the digest of an index, where there is one. */
  readonly digest: string;
  readonly manifests: readonly PulledManifest[];
}

interface ManifestJson {
  readonly config: { digest: Digest };
  readonly layers: readonly { digest: Digest }[];
}

/** Reads a manifest from the very bytes that a client keeps. */
export function readPulledManifest(bytes: Buffer): Required<Omit<PulledManifest, 'diffIds'>> {
  const { config, layers }: ManifestJson = JSON.parse(bytes.toString());
  return { digest: digestOf(bytes), config: config.digest, layers: layers.map((layer) => layer.digest) };
}

/** Asserts that a client holds what the origin has, as far as it tells. */
export function assertPulled(pulled: PulledImage, image: TestImage, manifests: readonly ImageManifest[]): void {
  assert.equal(pulled.digest, image.digest, `the digest of ${image.reference}`);
  assert.equal(pulled.manifests.length, manifests.length);
  for (const [at, manifest] of manifests.entries()) assert.partialDeepStrictEqual(manifest, pulled.manifests[at]);
}
