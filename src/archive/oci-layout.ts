import { algorithmOf, type Digest, hexOf, isDigest } from '../oci/digest.ts';
import { isObject, parseJson } from '../oci/json.ts';
import type { Descriptor } from '../oci/manifest/image-contents.ts';
import { mediaTypes } from '../oci/manifest/media-types.ts';

/** The files of an image layout beside its blobs. */
export const layoutFiles = { layout: 'oci-layout', index: 'index.json', docker: 'manifest.json' } as const;

/** The annotations that name an image, as containerd and the spec have them. */
const nameAnnotation = 'io.containerd.image.name';
const referenceAnnotation = 'org.opencontainers.image.ref.name';

const maxImages = 100_000; // nobody has so many in a file

/** An image in a layout, by its manifest. */
export interface LayoutImage {
  readonly manifest: Descriptor;
  /** Its name in full: `docker.io/library/nginx:1.27`; undefined when it is not said. */
  readonly name: string | undefined;
  /** What it is called within the layout: a tag, or whatever. */
  readonly reference: string | undefined;
}

/** Where a layout has a blob. */
export function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}

/** The digest of the blob that is at a path; undefined when none is. */
export function digestAt(path: string): Digest | undefined {
  const [, algorithm = '', hex = ''] = /^blobs\/([a-z0-9]+)\/([0-9a-f]+)$/.exec(path) ?? [];
  const digest = `${algorithm}:${hex}`;
  return isDigest(digest) ? digest : undefined;
}

/** What `oci-layout` says. */
export function renderLayout(): Buffer {
  return Buffer.from(JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

/** What `index.json` says; the size of each manifest is known. */
export function renderLayoutIndex(images: readonly LayoutImage[]): Buffer {
  const manifests = images.map(({ manifest: { mediaType, digest, sizeBytes }, name, reference }) => {
    const annotations = {
      ...(name === undefined ? {} : { [nameAnnotation]: name }),
      ...(reference === undefined ? {} : { [referenceAnnotation]: reference }),
    };
    const isNamed = Object.keys(annotations).length > 0;
    return { mediaType, digest, size: sizeBytes, ...(isNamed ? { annotations } : {}) };
  });
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }));
}

/**
 * Checks what `oci-layout` says.
 * @throws Error that says what is wrong with it
 */
export function checkLayout(bytes: Uint8Array): void {
  const layout = parseJson(bytes);
  const version = isObject(layout) ? layout['imageLayoutVersion'] : undefined;
  if (typeof version === 'string' && /^1\./.test(version)) return;
  throw new Error(`its ${layoutFiles.layout} is of a version that is not known`);
}

/**
 * Reads what `index.json` says.
 * @throws Error that says what is wrong with it
 */
export function readLayoutIndex(bytes: Uint8Array): LayoutImage[] {
  const index = parseJson(bytes);
  const manifests = isObject(index) ? index['manifests'] : undefined;
  if (!Array.isArray(manifests) || manifests.length > maxImages)
    throw new Error(`its ${layoutFiles.index} has no manifests`);
  return manifests.map((value: unknown) => {
    const { digest, mediaType, size, annotations } = (isObject(value) ? value : {}) as Readonly<
      Record<string, unknown>
    >;
    if (typeof digest !== 'string' || !isDigest(digest))
      throw new Error(`its ${layoutFiles.index} has an entry without a digest`);
    const said = isObject(annotations) ? annotations : {};
    return {
      manifest: {
        digest,
        mediaType: typeof mediaType === 'string' ? mediaType : '',
        sizeBytes: Number.isSafeInteger(size) ? (size as number) : undefined,
      },
      name: textOf(said[nameAnnotation]),
      reference: textOf(said[referenceAnnotation]),
    };
  });
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
