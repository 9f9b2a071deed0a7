import type { ManifestEntry, MetadataIndex, Pin } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { isDigestReference, type Tag } from '../../oci/reference.ts';

const pageCount = 200;

/** An image: what a repository has under tags, or by digest alone when no index of the repository references it. */
export interface StoredImage extends ManifestEntry {
  /** Whether one of its tags is pinned, or its digest. */
  readonly pinned: boolean;
  /** All that is stored of it: manifests, configurations, layers. */
  readonly contents: ReadonlySet<Digest>;
  /** The size of all of that, of which no other image has `ownBytes`. */
  readonly totalBytes: number;
  readonly ownBytes: number;
}

/** The images that are stored, with what they share. */
export interface Inventory {
  /** By registry, repository, and first tag. */
  readonly images: readonly StoredImage[];
  readonly pins: readonly Pin[];
  /** What is stored of a manifest and all that it references. */
  contentsOf(digest: Digest): ReadonlySet<Digest>;
  /** The size of contents, together. */
  sizeOf(contents: Iterable<Digest>): number;
}

/** Lists all images. For a tool, which may hold the names and digests of everything in memory. */
export async function takeInventory(index: MetadataIndex): Promise<Inventory> {
  const manifests = await allManifests(index);
  const graph = await readGraph(index, manifests);
  const pins = await index.listPins();
  const roots = rootsOf(manifests, graph);
  const users = new Map<Digest, number>();
  for (const { digest } of roots) {
    for (const content of graph.contentsOf(digest)) users.set(content, (users.get(content) ?? 0) + 1);
  }
  const images = roots.map((manifest): StoredImage => {
    const contents = graph.contentsOf(manifest.digest);
    return {
      ...manifest,
      pinned: pins.some((pin) => isPinOf(pin, manifest)),
      contents,
      totalBytes: graph.sizeOf(contents),
      ownBytes: graph.sizeOf([...contents].filter((digest) => users.get(digest) === 1)),
    };
  });
  return { ...graph, images: images.sort(byName), pins };
}

type Graph = Pick<Inventory, 'contentsOf' | 'sizeOf'> & {
  readonly references: ReadonlyMap<Digest, readonly Digest[]>;
};

async function allManifests(index: MetadataIndex): Promise<ManifestEntry[]> {
  const all: ManifestEntry[] = [];
  for (let more = true; more; ) {
    const page = await index.listManifests({ count: pageCount, after: all.at(-1) });
    all.push(...page);
    more = page.length === pageCount;
  }
  return all;
}

async function readGraph(index: MetadataIndex, manifests: readonly ManifestEntry[]): Promise<Graph> {
  const sizes = new Map<Digest, number>();
  const references = new Map<Digest, readonly Digest[]>();
  for (const { digest, sizeBytes } of manifests) {
    if (references.has(digest)) continue;
    sizes.set(digest, sizeBytes);
    const stored = (await index.referencesOf(digest)).filter((content) => content.sizeBytes !== undefined);
    for (const content of stored) sizes.set(content.digest, content.sizeBytes!);
    references.set(
      digest,
      stored.map((content) => content.digest),
    );
  }
  const known = new Map<Digest, ReadonlySet<Digest>>();
  const contentsOf = (digest: Digest): ReadonlySet<Digest> => {
    const found = known.get(digest) ?? reach(digest, sizes, references);
    known.set(digest, found);
    return found;
  };
  const sizeOf = (contents: Iterable<Digest>) => {
    let sizeBytes = 0;
    for (const digest of contents) sizeBytes += sizes.get(digest) ?? 0;
    return sizeBytes;
  };
  return { references, contentsOf, sizeOf };
}

function reach(
  from: Digest,
  sizes: ReadonlyMap<Digest, number>,
  references: ReadonlyMap<Digest, readonly Digest[]>,
): ReadonlySet<Digest> {
  const reached = new Set<Digest>();
  const pending = [from];
  for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
    if (reached.has(digest) || !sizes.has(digest)) continue;
    reached.add(digest);
    pending.push(...(references.get(digest) ?? []));
  }
  return reached;
}

/** What has a tag, and what no other manifest of its repository references. */
function rootsOf(manifests: readonly ManifestEntry[], { references }: Graph): ManifestEntry[] {
  const byRepository = Map.groupBy(manifests, ({ registry, repository }) => `${registry}/${repository}`);
  return [...byRepository.values()].flatMap((ofOne) => {
    const referenced = new Set(ofOne.flatMap(({ digest }) => references.get(digest) ?? []));
    return ofOne.filter(({ digest, tags }) => tags.length > 0 || !referenced.has(digest));
  });
}

/** Whether a pin names this manifest, by its digest or by one of its tags. */
export function isPinOf(pin: Pin, { registry, repository, digest, tags }: ManifestEntry): boolean {
  if (pin.registry !== registry || pin.repository !== repository) return false;
  return isDigestReference(pin.reference) ? pin.reference === digest : tags.includes(pin.reference as Tag);
}

function byName(a: StoredImage, b: StoredImage): number {
  return (
    compare(a.registry, b.registry) ||
    compare(a.repository, b.repository) ||
    Number(a.tags.length === 0) - Number(b.tags.length === 0) || // what has only a digest comes last
    compare(a.tags[0] ?? a.digest, b.tags[0] ?? b.digest)
  );
}

// Numbers in their order: 1.9 before 1.10.
const collator = new Intl.Collator('en', { numeric: true });

function compare(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : Number(a > b));
}
