import { createCipheriv, createHash } from 'node:crypto';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { mediaTypes } from '../../../src/oci/manifest/media-types.ts';

/** A manifest as it is pushed: its bytes are kept exactly. */
export interface TestManifest {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly mediaType: string;
}

/** A blob that is held in memory. */
export interface TestBlob {
  readonly digest: Digest;
  readonly bytes: Buffer;
}

/** A manifest with all that it needs: the blobs of an image, or the images of an index. */
export interface TestImage {
  readonly manifest: TestManifest;
  readonly blobs: readonly TestBlob[];
  readonly children: readonly TestImage[];
  readonly architecture: string | undefined;
}

/** What an image is made of. */
export interface ImageOptions {
  readonly seed: string;
  /** The size of each layer in bytes. */
  readonly layers: readonly number[];
  readonly mediaTypes?: 'oci' | 'docker';
  /** Leaves `mediaType` out of an OCI manifest, as the image spec allows. */
  readonly withoutMediaType?: boolean;
  readonly architecture?: string;
  readonly artifactType?: string;
  readonly subject?: TestManifest;
  readonly annotations?: Readonly<Record<string, string>>;
}

const aesBlockBytes = 16;

/** The bytes from `start` up to `end` of the endless content that belongs to a seed: any part at the same cost. */
export function seededSlice(seed: string, start: number, end: number): Buffer {
  if (end <= start) return Buffer.alloc(0);
  const skippedBytes = start % aesBlockBytes;
  const counter = Buffer.alloc(aesBlockBytes);
  counter.writeBigUInt64BE(BigInt((start - skippedBytes) / aesBlockBytes), 8);
  const key = createHash('sha256').update(seed).digest();
  // A key stream is as random as bytes get, does not compress, and can be entered anywhere.
  const keyStream = createCipheriv('aes-256-ctr', key, counter).update(Buffer.alloc(skippedBytes + end - start));
  return keyStream.subarray(skippedBytes);
}

/** The first bytes of the content that belongs to a seed: the same on every machine and in every run. */
export function seededBytes(seed: string, sizeBytes: number): Buffer {
  return seededSlice(seed, 0, sizeBytes);
}

/** Makes an image of seeded layers. */
export function makeImage(options: ImageOptions): TestImage {
  const { seed, layers, architecture = 'amd64', subject, artifactType, annotations } = options;
  const isDocker = options.mediaTypes === 'docker';
  const layerBlobs = layers.map((sizeBytes, i) => blobOf(seededBytes(`${seed}/layer/${i}`, sizeBytes)));
  const config = blobOf(
    Buffer.from(
      JSON.stringify({
        architecture,
        os: 'linux',
        config: { Labels: { seed } },
        rootfs: { type: 'layers', diff_ids: layerBlobs.map((blob) => blob.digest) },
      }),
    ),
  );
  const types = isDocker ? dockerTypes : ociTypes;
  const manifest = manifestOf(types.manifest, {
    schemaVersion: 2,
    ...(options.withoutMediaType ? {} : { mediaType: types.manifest }),
    ...(artifactType === undefined ? {} : { artifactType }),
    config: descriptorOf(types.config, config),
    layers: layerBlobs.map((blob) => descriptorOf(types.layer, blob)),
    ...(subject === undefined ? {} : { subject: descriptorOf(subject.mediaType, subject) }),
    ...(annotations === undefined ? {} : { annotations }),
  });
  return { manifest, blobs: [config, ...layerBlobs], children: [], architecture };
}

/** Makes an index (in Docker's terms a manifest list) of images. */
export function makeIndex(
  images: readonly TestImage[],
  options: { readonly mediaTypes?: 'oci' | 'docker' } = {},
): TestImage {
  const mediaType = options.mediaTypes === 'docker' ? mediaTypes.dockerList : mediaTypes.ociIndex;
  const manifest = manifestOf(mediaType, {
    schemaVersion: 2,
    mediaType,
    manifests: images.map((image) => ({
      ...descriptorOf(image.manifest.mediaType, image.manifest),
      ...(image.architecture === undefined ? {} : { platform: { architecture: image.architecture, os: 'linux' } }),
    })),
  });
  return { manifest, blobs: [], children: images, architecture: undefined };
}

const ociTypes = {
  manifest: mediaTypes.ociManifest,
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};

const dockerTypes = {
  manifest: mediaTypes.dockerManifest,
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
};

function blobOf(bytes: Buffer): TestBlob {
  return { digest: digestOf(bytes), bytes };
}

function descriptorOf(mediaType: string, content: TestBlob) {
  return { mediaType, digest: content.digest, size: content.bytes.length };
}

function manifestOf(mediaType: string, document: object): TestManifest {
  // Docker's own indentation: whoever parses a manifest and writes it again does not get these bytes back.
  const bytes = Buffer.from(JSON.stringify(document, undefined, 3));
  return { bytes, digest: digestOf(bytes), mediaType };
}

/** The paths, below its repository, of all that can be asked for of an image whose tag is `latest`. */
export function pathsOf({ manifest, blobs }: TestImage): string[] {
  return [
    'manifests/latest',
    `manifests/${manifest.digest}`,
    ...blobs.map(({ digest }) => `blobs/${digest}`),
    'tags/list',
    `referrers/${manifest.digest}`,
  ];
}
