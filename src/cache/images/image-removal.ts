import type { ContentEntry, MetadataIndex, Pin, RepositoryKey } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import { isDigestReference, type Repository, type Tag } from '../../oci/reference.ts';
import { type FileRemovalTools, removeForgottenFile } from '../space/removal/file-removal.ts';
import type { ImageName } from './image-names.ts';
import { type Inventory, isPinOf, type StoredImage } from './inventory.ts';

/** Contents that are forgotten in one transaction: it is over within milliseconds, also for a server beside. */
const batchCount = 20;

/** A tag, and what it stands for, if that is known. */
type RemovedTag = RepositoryKey & { readonly tag: Tag; readonly digest: Digest | undefined };

/** What removing images comes to. */
export interface ImageRemoval {
  readonly tags: readonly RemovedTag[];
  /** What a repository has no longer, though its bytes stay, as others have it. */
  readonly links: readonly (RepositoryKey & { readonly digest: Digest })[];
  /** What hosted repositories have no longer, whether others have it or not. */
  readonly hosted: readonly (RepositoryKey & { readonly digest: Digest })[];
  /** What nothing has any longer, what references others first. */
  readonly contents: readonly Digest[];
  readonly sizeBytes: number;
  /** The pins of what is removed, which go with it. */
  readonly pins: readonly Pin[];
}

/** The image that a name means; undefined when it is not here. */
export function findImage({ images }: Inventory, name: ImageName): StoredImage | undefined {
  const { reference } = name;
  return images.find(
    ({ registry, repository, digest, tags }) =>
      registry === name.registry &&
      repository === name.repository &&
      (isDigestReference(reference) ? digest === reference : tags.includes(reference)),
  );
}

/**
 * What goes when images lose these names: their tags and, of images that keep none, all that no other image has and
 * that is not pinned by its digest. A digest names an image with all of its tags.
 */
export function planImageRemoval(inventory: Inventory, names: readonly ImageName[]): ImageRemoval {
  const lost = new Map<StoredImage, Set<Tag>>();
  const tags = new Map<string, RemovedTag>();
  for (const { registry, repository, reference } of names) {
    const image = findImage(inventory, { registry, repository, reference });
    const named = isDigestReference(reference) ? (image?.tags ?? []) : [reference];
    const digest = image?.digest;
    for (const tag of named) tags.set(`${registry}/${repository}:${tag}`, { registry, repository, tag, digest });
    if (image) lost.set(image, new Set([...(lost.get(image) ?? []), ...named]));
  }
  const goes = ({ tags: all }: StoredImage, gone: ReadonlySet<Tag>) => all.every((tag) => gone.has(tag));
  const going = new Set([...lost].filter(([image, gone]) => goes(image, gone)).map(([image]) => image));
  const staying = inventory.images.filter((image) => !going.has(image));
  const kept = new Set(staying.flatMap(({ contents }) => [...contents]));
  const pins = inventory.pins.filter((pin) => names.some((name) => isSame(pin, name)) || isOfAny(pin, going));
  for (const pin of inventory.pins) {
    const { reference } = pin;
    if (!isDigestReference(reference) || pins.includes(pin)) continue;
    for (const digest of inventory.contentsOf(reference)) kept.add(digest);
  }
  const contents = new Set([...going].flatMap((image) => [...image.contents]).filter((digest) => !kept.has(digest)));
  return {
    tags: [...tags.values()],
    links: [...going].filter((image) => !isHosted(image)).flatMap((image) => linksLost(image, staying, contents)),
    hosted: [...going].filter(isHosted).flatMap((image) => linksLost(image, staying, new Set())),
    contents: [...contents],
    sizeBytes: inventory.sizeOf(contents),
    pins,
  };
}

function isHosted({ registry }: RepositoryKey): boolean {
  return registry === hostedRegistryName;
}

function isSame(a: ImageName, b: ImageName): boolean {
  return a.registry === b.registry && a.repository === b.repository && a.reference === b.reference;
}

function isOfAny(pin: Pin, images: ReadonlySet<StoredImage>): boolean {
  return [...images].some((image) => isPinOf(pin, image));
}

function linksLost(
  image: StoredImage,
  staying: readonly StoredImage[],
  removed: ReadonlySet<Digest>,
): (RepositoryKey & { readonly digest: Digest })[] {
  const { registry, repository } = image;
  const others = staying.filter((other) => other.registry === registry && other.repository === repository);
  return [...image.contents]
    .filter((digest) => !removed.has(digest) && !others.some(({ contents }) => contents.has(digest)))
    .map((digest) => ({ registry, repository, digest }));
}

/**
 * Removes what was planned: names first, then content from the index, then the files, so that nothing leads to what is
 * not there. What somebody else began to use meanwhile stays. Returns what was removed.
 */
export async function applyImageRemoval(
  { tags, links, hosted, contents, pins }: ImageRemoval,
  tools: RemovalTools,
): Promise<RemovedContents> {
  const { index } = tools;
  for (const { reference, ...key } of pins) await index.unpin(key, reference);
  for (const { tag, digest, ...key } of tags) {
    if (isHosted(key)) await tools.hosted.removeTag(key.repository, tag, digest);
    else await index.removeTag(key, tag);
  }
  for (const { digest, ...key } of links) await index.unlink(key, digest);
  for (const { repository, digest } of await byLevel(hosted, index)) {
    await tools.hosted.removeUnused(repository, digest);
  }
  const entries = (await entriesOf(contents, index)).sort((a, b) => b.level - a.level);
  const going = new Set(contents);
  const removed = { contents: 0, sizeBytes: 0 };
  for (let start = 0; start < entries.length; start += batchCount) {
    const batch = await removeUnused(entries.slice(start, start + batchCount), going, tools);
    removed.contents += batch.contents;
    removed.sizeBytes += batch.sizeBytes;
  }
  return removed;
}

async function entriesOf(contents: readonly Digest[], index: MetadataIndex): Promise<ContentEntry[]> {
  const entries = await Promise.all(contents.map((digest) => index.getContent(digest)));
  return entries.filter((entry) => entry !== undefined);
}

/** What references others comes first: when it stays, so do they. */
async function byLevel<T extends { readonly digest: Digest }>(
  contents: readonly T[],
  index: MetadataIndex,
): Promise<readonly T[]> {
  const levels = new Map<Digest, number>();
  for (const { digest } of contents) levels.set(digest, (await index.getContent(digest))?.level ?? 0);
  return contents.toSorted((a, b) => levels.get(b.digest)! - levels.get(a.digest)!);
}

/** What images are removed from. */
export interface RemovalTools extends FileRemovalTools {
  readonly index: MetadataIndex & FileRemovalTools['index'];
  readonly hosted: HostedRemoval;
}

/** Takes from hosted repositories what they have, with the records that would bring it back. */
export interface HostedRemoval {
  /** With a digest only while it stands for that. */
  removeTag(repository: Repository, tag: Tag, digest: Digest | undefined): Promise<unknown>;
  /** What has a tag, or another manifest of its repository references, stays, and what was pushed since the plan was made. */
  removeUnused(repository: Repository, digest: Digest): Promise<unknown>;
}

/** What was removed of contents. */
export interface RemovedContents {
  readonly contents: number;
  readonly sizeBytes: number;
}

async function removeUnused(
  entries: readonly ContentEntry[],
  going: Set<Digest>,
  tools: RemovalTools,
): Promise<RemovedContents> {
  const { index } = tools;
  const unused: ContentEntry[] = [];
  for (const { digest } of entries) {
    const entry = await index.getContent(digest);
    if (entry === undefined) continue;
    if (entry.pinned || entry.hosted || entry.referencedBy.some((by) => !going.has(by))) going.delete(digest);
    else unused.push(entry);
  }
  const removed = new Set(await index.removeContents(unused.map(({ digest }) => digest)));
  for (const digest of removed) await removeForgottenFile(tools, digest);
  const gone = unused.filter(({ digest }) => removed.has(digest));
  return { contents: gone.length, sizeBytes: gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}
