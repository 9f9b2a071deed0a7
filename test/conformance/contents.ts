import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { type Digest, type DigestAlgorithm, digestOf } from '../../src/oci/digest.ts';
import { mediaTypes } from '../../src/oci/manifest/media-types.ts';
import type { PushedBlob } from './blob-apis.ts';

/** What an index or a manifest says of other content. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly [field: string]: unknown;
}

/** A manifest or index to be pushed. */
export interface PushedManifest {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly subject: Digest | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** The tags that it gets. */
  readonly tags: readonly string[];
  /** Whether the tags come as parameters of a push by digest (end-7b). */
  readonly byParameter: boolean;
}

/** Something to be pushed, pulled and deleted: its manifests in the order in which they are pushed. */
export interface Content {
  readonly name: string;
  readonly blobs: readonly PushedBlob[];
  readonly manifests: readonly PushedManifest[];
}

/** How a manifest is made. */
interface ManifestOptions {
  readonly artifactType?: string;
  readonly subject?: PushedManifest | Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
  readonly byParameter?: boolean;
  readonly extra?: Readonly<Record<string, unknown>>;
}

const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const plainLayerType = 'application/vnd.oci.image.layer.v1.tar';
const foreignLayerType = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
const configType = 'application/vnd.oci.image.config.v1+json';
const emptyType = 'application/vnd.oci.empty.v1+json';
const exampleType = 'application/vnd.example.conformance.1';
const otherType = 'application/vnd.example.conformance.2';
const layerBytes = 2048;

/** Gathers what one content consists of. */
class Maker {
  readonly blobs: PushedBlob[] = [];
  readonly manifests: PushedManifest[] = [];
  readonly #algorithm: DigestAlgorithm;
  readonly #prefix: string;

  constructor(algorithm: DigestAlgorithm = 'sha256') {
    this.#algorithm = algorithm;
    this.#prefix = `t${randomBytes(4).toString('hex')}`;
  }

  /** A tag that no other content has. */
  tag(name: string): string {
    return `${this.#prefix}-${name}`;
  }

  blob(bytes: Buffer, mediaType: string): Descriptor {
    const digest = digestOf(bytes, this.#algorithm);
    if (!this.blobs.some((blob) => blob.digest === digest)) this.blobs.push({ bytes, digest });
    return { mediaType, digest, size: bytes.length };
  }

  layer(mediaType = layerType): Descriptor {
    const bytes = randomBytes(layerBytes);
    return this.blob(mediaType === layerType ? gzipSync(bytes) : bytes, mediaType);
  }

  config(layers: readonly Descriptor[], architecture = 'amd64', extra: object = {}): Descriptor {
    const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
    const config = { architecture, os: 'linux', rootfs, author: this.#prefix, ...extra };
    return this.blob(Buffer.from(JSON.stringify(config)), configType);
  }

  image(options: ManifestOptions & { architecture?: string; layers?: readonly Descriptor[] } = {}): PushedManifest {
    const { architecture, layers = [this.layer(), this.layer()], ...rest } = options;
    return this.manifest(
      mediaTypes.ociManifest,
      { config: this.config(layers, architecture, options.extra), layers },
      rest,
    );
  }

  artifact(options: ManifestOptions = {}, layers = [this.layer(exampleType)]): PushedManifest {
    const config = this.blob(Buffer.from('{}'), emptyType);
    return this.manifest(mediaTypes.ociManifest, { config, layers }, { artifactType: exampleType, ...options });
  }

  index(
    children: readonly (PushedManifest | Descriptor)[] = [this.image(), this.image({ architecture: 'arm64' })],
    options: ManifestOptions = {},
  ): PushedManifest {
    return this.manifest(mediaTypes.ociIndex, { manifests: children.map((child) => descriptorOf(child)) }, options);
  }

  manifest(mediaType: string, fields: object, options: ManifestOptions): PushedManifest {
    const { artifactType, subject, annotations, tags = [], byParameter = false, extra } = options;
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...fields,
      ...(subject === undefined ? {} : { subject: descriptorOf(subject) }),
      ...(annotations === undefined ? {} : { annotations }),
      ...extra,
    });
    const bytes = Buffer.from(text);
    const config = (fields as { config?: Descriptor }).config?.mediaType;
    const manifest: PushedManifest = {
      ...{ mediaType, bytes, annotations, byParameter },
      digest: digestOf(bytes, this.#algorithm),
      subject: subject?.digest,
      artifactType: artifactType ?? config,
      tags: tags.map((name) => this.tag(name)),
    };
    this.manifests.push(manifest);
    return manifest;
  }

  end(name: string): Content {
    return { name, blobs: this.blobs, manifests: this.manifests };
  }
}

function descriptorOf(content: PushedManifest | Descriptor): Descriptor {
  if ('size' in content) return content as Descriptor;
  const { mediaType, digest, bytes } = content as PushedManifest;
  return { mediaType, digest, size: bytes.length };
}

function make(name: string, fill: (maker: Maker) => void, algorithm?: DigestAlgorithm): Content {
  const maker = new Maker(algorithm);
  fill(maker);
  return maker.end(name);
}

const hello = { 'org.opencontainers.conformance': 'hello' };

/** Everything that is pushed, pulled and deleted, made anew with bytes that no registry has. */
export function makeContents(): Content[] {
  return [
    make('image', (m) => m.image({ tags: ['image'] })),
    make('image of uncompressed layers', (m) =>
      m.image({ layers: [m.layer(plainLayerType), m.layer(plainLayerType)], tags: ['plain'] }),
    ),
    make('manifest of nearly 4 MB', (m) => m.image({ annotations: manyAnnotations(), tags: ['large'] })),
    make('index', (m) => m.index(undefined, { tags: ['index'] })),
    make('index of indexes', (m) => m.index([m.index(), m.index()], { tags: ['nested'] })),
    make('empty index', (m) => m.index([], { tags: ['empty'], annotations: { made: m.tag('now') } })),
    make('index of which some is not there', (m) => m.index([m.image(), missingManifest()], { tags: ['sparse'] })),
    make('artifact', (m) => m.artifact({ tags: ['artifact'] })),
    make('index of artifacts', (m) =>
      m.index([m.artifact(), m.artifact()], { artifactType: exampleType, tags: ['list'] }),
    ),
    make('artifact without layers', (m) => m.artifact({ tags: ['none'] }, [m.blob(Buffer.from('{}'), emptyType)])),
    make('artifacts with a subject', addReferrers),
    make('index with a subject', (m) => {
      const subject = m.index(undefined, { tags: ['subject'] });
      m.index([m.artifact()], { subject, artifactType: exampleType, annotations: hello, tags: ['referrer'] });
    }),
    make('artifact whose subject is not there', (m) =>
      m.artifact({ subject: missingManifest(), annotations: hello, tags: ['early'] }),
    ),
    make('descriptors with data', (m) => {
      const bytes = Buffer.from(JSON.stringify({ made: m.tag('now') }));
      m.artifact({ tags: ['data'] }, [{ ...m.blob(bytes, exampleType), data: bytes.toString('base64') }]);
    }),
    make('layers that are not distributed', (m) =>
      m.image({ layers: [foreignLayer(), foreignLayer(), m.layer()], tags: ['foreign'] }),
    ),
    make('fields that nobody knows', (m) => {
      const extra = { 'org.example.unknown': { made: m.tag('now'), list: [1, 2, 3] } };
      m.index([m.image({ extra }), m.image({ extra, architecture: 'arm64' })], { extra, tags: ['custom'] });
    }),
    make('image without layers', (m) => m.image({ layers: [], tags: ['bare'] })),
    make('sha512', (m) => m.index(), 'sha512'),
    make('tags as parameters', (m) => addTagged(m)),
    make('tags as parameters, sha512', (m) => addTagged(m), 'sha512'),
  ];
}

function addReferrers(m: Maker): void {
  const subject = m.image({ tags: ['subject'] });
  m.image({ subject, annotations: hello });
  m.artifact({ subject, annotations: { ...hello, kind: 'first' }, tags: ['first'] });
  m.artifact({ subject, artifactType: otherType, annotations: { ...hello, kind: 'second' }, tags: ['second'] });
}

function addTagged(m: Maker): void {
  const first = m.image({ tags: ['one'], byParameter: true });
  const second = m.image({ architecture: 'arm64', tags: ['two', 'three'], byParameter: true });
  m.index([first, second], { tags: ['four', 'five', 'six'], byParameter: true });
}

function manyAnnotations(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 390 }, (_, i) => [`annotation-${i}`, 'A'.repeat(10_000)]));
}

function missingManifest(): Descriptor {
  return { mediaType: mediaTypes.ociManifest, digest: digestOf(randomBytes(100)), size: 1024 };
}

function foreignLayer(): Descriptor {
  const digest = digestOf(randomBytes(100));
  return { mediaType: foreignLayerType, digest, size: 123_456, urls: [`https://store.example.com/${digest}`] };
}
