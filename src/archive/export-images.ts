import { createHash } from 'node:crypto';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.ts';
import { isObject, parseJson } from '../oci/json.ts';
import type { Descriptor } from '../oci/manifest/image-contents.ts';
import type { PlatformChoice } from '../oci/manifest/platform-choice.ts';
import type { BlobStore, StoredBlob } from '../store/blob-store.ts';
import { gatherImage, type Holding, type ImagePart, type ImageTree } from './image-tree.ts';
import { blobPath, type LayoutImage, layoutFiles, renderLayout, renderLayoutIndex } from './oci-layout.ts';
import { type TarSink, TarWriter } from './tar/write-tar.ts';

/** An image that is to be taken along. */
export interface ExportedImage {
  /** Its name in full, as it can be pulled by. */
  readonly name: string;
  /** Undefined when it is named by its digest. */
  readonly tag: string | undefined;
  readonly manifest: Descriptor;
  /** The manifests of its repository that may refer to it: signatures, lists of contents. */
  readonly neighbours: readonly Descriptor[];
}

/** An image with all that goes with it. */
export interface PlannedImage extends ExportedImage {
  readonly tree: ImageTree;
  readonly referrers: readonly Descriptor[];
}

/** What is going to be written. */
export interface ExportPlan {
  readonly images: readonly PlannedImage[];
  readonly parts: readonly ImagePart[];
  readonly sizeBytes: number;
}

/** What images are read from. */
export interface ExportTools {
  readonly store: Pick<BlobStore, 'size' | 'open'>;
  readonly holding: Holding;
}

const pieceBytes = 1024 * 1024;
const maxReferrerDepth = 4; // a signature of a list of contents of an image

/**
 * Finds all that images consist of, and what refers to them and is here.
 * @throws Error that names the image and what of it is missing
 */
export async function planExport(
  images: readonly ExportedImage[],
  { holding }: ExportTools,
  platforms: PlatformChoice | undefined,
): Promise<ExportPlan> {
  const planned: PlannedImage[] = [];
  const parts = new Map<Digest, ImagePart>();
  for (const image of images) {
    try {
      const tree = await gatherImage(image.manifest, holding, platforms);
      const referrers = await findReferrers(tree, image.neighbours, holding);
      const { sizeBytes } = tree.parts.at(-1)!; // its own manifest
      const manifest = { ...image.manifest, sizeBytes };
      planned.push({ ...image, manifest, tree, referrers: referrers.map((one) => one.manifest) });
      for (const part of [tree, ...referrers.map((one) => one.tree)].flatMap((one) => one.parts))
        parts.set(part.digest, part);
    } catch (error) {
      throw new Error(`Cannot export ${image.name}: ${(error as Error).message}`, { cause: error });
    }
  }
  const all = [...parts.values()];
  return { images: planned, parts: all, sizeBytes: all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

/** The manifests among some whose subject is in an image, or in what refers to it; those that are here wholly. */
async function findReferrers(
  tree: ImageTree,
  neighbours: readonly Descriptor[],
  holding: Holding,
): Promise<{ readonly manifest: Descriptor; readonly tree: ImageTree }[]> {
  const subjects = new Set(tree.parts.map(({ digest }) => digest));
  const found = new Map<Digest, { readonly manifest: Descriptor; readonly tree: ImageTree }>();
  for (let depth = 0, more = true; more && depth < maxReferrerDepth; depth++) {
    more = false;
    for (const manifest of neighbours) {
      if (found.has(manifest.digest) || subjects.has(manifest.digest)) continue;
      const subject = subjectOf(await holding.readManifest(manifest.digest));
      if (subject === undefined || !subjects.has(subject as Digest)) continue;
      const whole = await gatherImage(manifest, holding, undefined).catch(() => undefined);
      if (whole === undefined) continue;
      found.set(manifest.digest, { manifest, tree: whole });
      more = true;
    }
    for (const digest of found.keys()) subjects.add(digest);
  }
  return [...found.values()];
}

/** The digest that a manifest refers to. */
export function subjectOf(bytes: Uint8Array | undefined): string | undefined {
  const manifest = bytes && parseJson(bytes);
  const subject = isObject(manifest) ? manifest['subject'] : undefined;
  const digest = isObject(subject) ? subject['digest'] : undefined;
  return typeof digest === 'string' ? digest : undefined;
}

/**
 * Writes what was planned as an image layout in a tar archive. Everything is verified as it is read.
 * @param wrote is told how many bytes of content were written
 * @throws Error when content is gone, or is not what its digest says; the signal's reason
 */
export async function writeExport(
  { images, parts }: ExportPlan,
  { store }: ExportTools,
  { sink, signal, wrote }: { readonly sink: TarSink; readonly signal: AbortSignal; wrote(bytes: number): void },
): Promise<void> {
  const tar = new TarWriter(sink);
  const write = (name: string, bytes: Buffer) => tar.file(name, bytes.length, [bytes]);
  await write(layoutFiles.layout, renderLayout());
  await write(layoutFiles.index, renderLayoutIndex(layoutImages(images)));
  const docker = renderDockerManifest(images);
  if (docker !== undefined) await write(layoutFiles.docker, docker);
  await tar.folder('blobs/');
  for (const algorithm of new Set(parts.map(({ digest }) => algorithmOf(digest))))
    await tar.folder(`blobs/${algorithm}/`);
  for (const { digest, sizeBytes } of parts) {
    signal.throwIfAborted();
    const blob = await store.open(digest);
    if (blob === undefined)
      throw new Error(`Cannot export ${digest}: it was removed meanwhile; pin the image, and try again`);
    try {
      await tar.file(blobPath(digest), sizeBytes, verified(blob, digest, { signal, wrote }));
    } finally {
      await blob.close();
    }
  }
  await tar.end();
}

async function* verified(
  blob: StoredBlob,
  digest: Digest,
  { signal, wrote }: { readonly signal: AbortSignal; wrote(bytes: number): void },
): AsyncGenerator<Uint8Array> {
  const hash = createHash(algorithmOf(digest));
  const buffer = Buffer.allocUnsafe(pieceBytes);
  for (let position = 0; position < blob.sizeBytes; ) {
    signal.throwIfAborted();
    const count = await blob.read(buffer, position);
    if (count === 0) break;
    const piece = buffer.subarray(0, count);
    hash.update(piece);
    yield piece;
    position += count;
    wrote(count);
  }
  if (hash.digest('hex') !== hexOf(digest)) {
    throw new Error(`Cannot export ${digest}: what is stored of it is damaged; run \`entrepot verify --repair\``);
  }
}

/** What the layout's index lists: each image by each of its names, and what refers to them without a name. */
function layoutImages(images: readonly PlannedImage[]): LayoutImage[] {
  const uses = new Map<string | undefined, number>();
  for (const { tag } of images) uses.set(tag, (uses.get(tag) ?? 0) + 1);
  const named = images.map(({ name, tag, manifest }) => {
    // Within a layout the tag alone may be ambiguous; then it is the whole name.
    const isOne = tag !== undefined && uses.get(tag) === 1;
    return { manifest, name, reference: isOne ? tag : name };
  });
  const referrers = new Map(images.flatMap((image) => image.referrers).map((manifest) => [manifest.digest, manifest]));
  const unnamed = [...referrers.values()].map((manifest) => ({ manifest, name: undefined, reference: undefined }));
  return [...named, ...unnamed];
}

const dockerConfigTypes: readonly string[] = [
  'application/vnd.docker.container.image.v1+json',
  'application/vnd.oci.image.config.v1+json',
];

/** What older versions of `docker load` read: of each image that is here for one platform alone, where its parts are. */
function renderDockerManifest(images: readonly PlannedImage[]): Buffer | undefined {
  const entries = images.flatMap(({ name, tag, tree }) => {
    const run = tree.leaves.filter(({ blobs: [config] }) => config && dockerConfigTypes.includes(config.mediaType));
    const [leaf] = run;
    if (leaf === undefined || run.length > 1) return [];
    const [config, ...layers] = leaf.blobs.map(({ digest }) => blobPath(digest));
    return [{ Config: config, RepoTags: tag === undefined ? [] : [name], Layers: layers }];
  });
  return entries.length === 0 ? undefined : Buffer.from(JSON.stringify(entries));
}
