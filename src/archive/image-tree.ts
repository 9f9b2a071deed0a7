import type { Digest } from '../oci/digest.ts';
import { type Descriptor, readImageContents } from '../oci/manifest/image-contents.ts';
import { isChildChosen, type PlatformChoice } from '../oci/manifest/platform-choice.ts';

/** What an image is read from: a store, or an archive. */
export interface Holding {
  /** The size of content that is there. */
  sizeOf(digest: Digest): Promise<number | undefined>;
  /** All bytes of a manifest, verified; undefined when it is not there, or too large to be one. */
  readManifest(digest: Digest): Promise<Uint8Array | undefined>;
}

/** Content that an image consists of. */
export interface ImagePart {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** That of a manifest; undefined of a blob. */
  readonly manifestType: string | undefined;
}

/** An image for one platform, as Docker's older format lists it. */
export interface LeafImage {
  readonly platform: string | undefined;
  /** Configuration and layers, in their order. */
  readonly blobs: readonly Descriptor[];
}

/** All that there is of an image. */
export interface ImageTree {
  /** Each once: what is referenced comes before what references it, and so the image's own manifest last. */
  readonly parts: readonly ImagePart[];
  readonly leaves: readonly LeafImage[];
  readonly platforms: readonly string[];
  /** The platforms that are not there, or not wholly. */
  readonly absent: readonly string[];
}

/** Some of an image is not there. */
export class IncompleteImage extends Error {
  readonly missing: Digest;

  constructor(missing: Digest, what: string) {
    super(`${what} ${missing} is not there`);
    this.missing = missing;
  }
}

/** No registry takes larger manifests, and they are read into memory. */
export const maxManifestBytes = 8 * 1024 * 1024;

const maxDepth = 4; // an index in an index is rare already
const maxNamed = 20; // platforms in an error; somebody reads it

interface Growing {
  readonly parts: Map<Digest, ImagePart>;
  /** What was put into `parts`, in this order, so that the last of it can be taken back. */
  readonly added: Digest[];
  /** What is known to be there wholly, and is no part of this. */
  readonly known: Known;
  readonly leaves: LeafImage[];
  readonly platforms: Set<string>;
  readonly absent: Set<string>;
  /** What was found not to be there wholly, so that it is looked at once. */
  readonly broken: Map<Digest, IncompleteImage>;
}

/** Content that is not to be looked at again. */
type Known = Pick<ReadonlyMap<Digest, unknown>, 'has'>;

/**
 * Finds all that there is of an image. The time that it takes grows with what there is, however it hangs together.
 * @param choice the platforms of it that must be there; without it, whichever are there wholly, and one at least
 * @param known what was gathered of others already: it is left out
 * @throws IncompleteImage; RegistryError MANIFEST_INVALID
 */
export async function gatherImage(
  root: Descriptor,
  holding: Holding,
  choice: PlatformChoice | undefined,
  known: Known = new Map(),
): Promise<ImageTree> {
  const tree: Growing = {
    ...{ parts: new Map(), added: [], known, leaves: [] },
    ...{ platforms: new Set(), absent: new Set(), broken: new Map() },
  };
  await addManifest(root, { platform: undefined, depth: 1 }, tree, holding, choice);
  return {
    parts: [...tree.parts.values()],
    leaves: tree.leaves,
    platforms: [...tree.platforms],
    absent: [...tree.absent],
  };
}

interface Place {
  readonly platform: string | undefined;
  readonly depth: number;
}

async function addManifest(
  { digest, mediaType }: Descriptor,
  { platform, depth }: Place,
  tree: Growing,
  holding: Holding,
  choice: PlatformChoice | undefined,
): Promise<void> {
  if (tree.parts.has(digest) || tree.known.has(digest)) return;
  const broken = tree.broken.get(digest);
  if (broken !== undefined) throw broken;
  const bytes = await holding.readManifest(digest);
  if (bytes === undefined) throw new IncompleteImage(digest, 'its manifest');
  const contents = readImageContents(bytes, mediaType);
  if (contents.kind === 'image') {
    await addBlobs(contents.blobs, tree, holding);
    tree.leaves.push({ platform, blobs: contents.blobs });
  } else {
    if (depth === maxDepth) throw new Error('its indexes lead too deep');
    let present = 0;
    let firstMissing: IncompleteImage | undefined;
    for (const child of contents.children.filter((one) => choice === undefined || isChildChosen(choice, one))) {
      try {
        await addWhole(child, { platform: child.platform, depth: depth + 1 }, tree, holding, choice);
        if (child.platform !== undefined) tree.platforms.add(child.platform);
        if (!child.isAttestation) present++;
      } catch (error) {
        if (choice !== undefined || !(error instanceof IncompleteImage)) throw error;
        firstMissing ??= error;
        tree.broken.set(child.digest, error);
        if (child.platform !== undefined) tree.absent.add(child.platform);
      }
    }
    if (present === 0 && contents.children.length > 0)
      throw firstMissing ?? new Error(noneOf(contents.children, choice));
  }
  addPart(tree, { digest, sizeBytes: bytes.length, manifestType: mediaType || typeOf(bytes) });
}

/** Adds a manifest with all that it consists of, or nothing of it. */
async function addWhole(
  child: Descriptor,
  place: Place,
  tree: Growing,
  holding: Holding,
  choice: PlatformChoice | undefined,
): Promise<void> {
  const { parts, added, leaves } = tree;
  const [partsBefore, leavesBefore] = [added.length, leaves.length];
  try {
    await addManifest(child, place, tree, holding, choice);
  } catch (error) {
    for (const digest of added.splice(partsBefore)) parts.delete(digest);
    leaves.length = leavesBefore;
    throw error;
  }
}

function addPart({ parts, added }: Growing, part: ImagePart): void {
  if (parts.has(part.digest)) return;
  parts.set(part.digest, part);
  added.push(part.digest);
}

async function addBlobs(blobs: readonly Descriptor[], tree: Growing, holding: Holding): Promise<void> {
  for (const { digest, sizeBytes } of blobs) {
    const found = await holding.sizeOf(digest);
    if (found === undefined || found !== (sizeBytes ?? found)) throw new IncompleteImage(digest, 'its blob');
    if (!tree.known.has(digest)) addPart(tree, { digest, sizeBytes: found, manifestType: undefined });
  }
}

function typeOf(bytes: Uint8Array): string {
  const { mediaType } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { readonly mediaType?: unknown };
  return typeof mediaType === 'string' ? mediaType : '';
}

function noneOf(
  children: readonly { readonly platform: string | undefined }[],
  choice: PlatformChoice | undefined,
): string {
  const all = [...new Set(children.flatMap(({ platform }) => platform ?? []))];
  const wanted = choice === undefined || choice === 'all' ? 'any platform' : choice.join(', ');
  return `it is not for ${wanted}, but for ${all.slice(0, maxNamed).join(', ') || 'none'}${all.length > maxNamed ? ', …' : ''}`;
}
