import { createCipheriv, createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { writeTar } from './machine/tar.ts';

/** One image for one architecture: what a client that has pulled it must hold. */
export interface ImageManifest {
  readonly digest: Digest;
  readonly architecture: string;
  readonly config: Digest;
  readonly layers: readonly Digest[];
  /** The digests of the layers' archives before compression: dockerd and podman tell these only. */
  readonly diffIds: readonly Digest[];
}

/** What a tag of a made-up registry names: an index of several architectures, or one manifest. */
export interface TestImage {
  /** Registry, repository and tag in full. */
  readonly reference: string;
  /** The digest of what the tag names. */
  readonly digest: Digest;
  readonly isIndex: boolean;
  readonly manifests: readonly ImageManifest[];
}

/** An image and the bytes that it is made of. */
export interface BuiltImage {
  readonly image: TestImage;
  /** Manifests, the tag's own last, and then blobs: content by digest. */
  readonly manifests: readonly Buffer[];
  readonly blobs: readonly Buffer[];
}

/** What an image is made from. */
export interface ImageRecipe {
  readonly reference: string;
  readonly format: ImageFormat;
  /** The architectures of an index; without them the image is one manifest, for this machine. */
  readonly architectures?: readonly string[];
  readonly layerBytes: readonly number[];
}

/** Whose media types an image has. */
export type ImageFormat = 'oci' | 'docker';

const mediaTypes = {
  oci: {
    index: 'application/vnd.oci.image.index.v1+json',
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
  docker: {
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
} as const;

/** This machine's architecture, in the words of image indexes. */
export const machineArchitecture = process.arch === 'x64' ? 'amd64' : process.arch;

/** The manifest that a client on this machine chooses. */
export function manifestForThisMachine(image: TestImage): ImageManifest {
  const [only] = image.manifests;
  const chosen = image.isIndex ? image.manifests.find((one) => one.architecture === machineArchitecture) : only;
  if (!chosen) throw new Error(`Cannot compare "${image.reference}": it has nothing for ${machineArchitecture}`);
  return chosen;
}

/** Builds an image from its recipe alone: the same bytes on every run. */
export function buildImage({ reference, format, architectures, layerBytes }: ImageRecipe): BuiltImage {
  const built = (architectures ?? [machineArchitecture]).map((architecture) =>
    buildManifest(`${reference} ${architecture}`, architecture, format, layerBytes),
  );
  const manifests = built.map((one) => one.manifest);
  const blobs = built.flatMap((one) => one.blobs);
  const bytes = built.map((one) => one.bytes);
  if (!architectures) {
    const [only] = manifests;
    return { image: { reference, digest: only!.digest, isIndex: false, manifests }, manifests: bytes, blobs };
  }
  const index = writeJson({
    schemaVersion: 2,
    mediaType: mediaTypes[format].index,
    manifests: built.map(({ manifest: { architecture }, bytes }) => ({
      ...describe(mediaTypes[format].manifest, bytes),
      platform: { architecture, os: 'linux' },
    })),
  });
  const image = { reference, digest: digestOf(index), isIndex: true, manifests };
  return { image, manifests: [...bytes, index], blobs };
}

function buildManifest(seed: string, architecture: string, format: ImageFormat, layerBytes: readonly number[]) {
  const types = mediaTypes[format];
  const archives = layerBytes.map((size, at) =>
    writeTar([{ name: `layer-${at}`, bytes: noise(`${seed} layer ${at}`, size) }]),
  );
  const diffIds = archives.map((archive) => digestOf(archive));
  const layers = archives.map((archive) => gzipSync(archive, { level: 1 }));
  const created = '2024-01-01T00:00:00Z';
  const config = writeJson({
    created,
    architecture,
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: ['/layer-0'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: archives.map((_, at) => ({ created, created_by: `layer ${at}` })),
  });
  const bytes = writeJson({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: describe(types.config, config),
    layers: layers.map((layer) => describe(types.layer, layer)),
  });
  const manifest: ImageManifest = {
    digest: digestOf(bytes),
    architecture,
    config: digestOf(config),
    layers: layers.map((layer) => digestOf(layer)),
    diffIds,
  };
  return { manifest, bytes, blobs: [config, ...layers] };
}

function describe(mediaType: string, bytes: Buffer) {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

// Indented, so that whoever parses a manifest and writes it anew is found out by its digest.
function writeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value, null, 3));
}

// Bytes that do not compress, made quickly, and always the same for the same seed.
function noise(seed: string, sizeBytes: number): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}
