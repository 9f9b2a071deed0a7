import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { Inventory, StoredImage } from './inventory.ts';

/** How much is stored of some images. */
export interface Usage {
  readonly images: number;
  /** Each content once. */
  readonly sizeBytes: number;
  /** What only these images have. */
  readonly ownBytes: number;
  /** What others have, too. */
  readonly sharedBytes: number;
}

/** So many contents, of this size together. */
export interface Amount {
  readonly contents: number;
  readonly sizeBytes: number;
}

/** What takes how much space. */
export interface DiskUsage {
  /** What the cache keeps, which is held against its size. */
  readonly total: Amount;
  /** What hosted repositories hold. */
  readonly hosted: Amount;
  /** What is stored and is of no image: of one that was removed or never whole. */
  readonly unused: Amount;
  readonly registries: readonly (Usage & {
    readonly registry: string;
    readonly repositories: readonly (Usage & { readonly repository: Repository })[];
  })[];
}

/** Adds up what the images take, by registry and repository; the largest first. */
export function diskUsage(inventory: Inventory, { total, hosted }: Pick<DiskUsage, 'total' | 'hosted'>): DiskUsage {
  const { images, sizeOf } = inventory;
  const used = contentsOf(images);
  const ofRegistries = usages(images, ({ registry }) => registry, sizeOf);
  const ofRepositories = usages(images, ({ registry, repository }) => `${registry}/${repository}`, sizeOf);
  const registries = [...ofRegistries].map(([registry, usage]) => ({
    registry,
    ...usage,
    repositories: [...ofRepositories]
      .filter(([name]) => name.startsWith(`${registry}/`))
      .map(([name, ofOne]) => ({ repository: name.slice(registry.length + 1) as Repository, ...ofOne }))
      .sort(bySize),
  }));
  return {
    total,
    hosted: { contents: hosted.contents, sizeBytes: hosted.sizeBytes },
    // What was stored since the images were listed is not theirs yet, and none is less than nothing.
    unused: {
      contents: Math.max(0, total.contents + hosted.contents - used.size),
      sizeBytes: Math.max(0, total.sizeBytes + hosted.sizeBytes - sizeOf(used)),
    },
    registries: registries.sort(bySize),
  };
}

function usages(
  images: readonly StoredImage[],
  nameOf: (image: StoredImage) => string,
  sizeOf: Inventory['sizeOf'],
): ReadonlyMap<string, Usage> {
  const groups = [...Map.groupBy(images, nameOf)].map(([name, group]) => ({
    name,
    count: group.length,
    contents: contentsOf(group),
  }));
  const users = new Map<Digest, number>();
  for (const { contents } of groups) for (const digest of contents) users.set(digest, (users.get(digest) ?? 0) + 1);
  return new Map(
    groups.map(({ name, count, contents }) => {
      const sizeBytes = sizeOf(contents);
      const ownBytes = sizeOf([...contents].filter((digest) => users.get(digest) === 1));
      return [name, { images: count, sizeBytes, ownBytes, sharedBytes: sizeBytes - ownBytes }];
    }),
  );
}

function contentsOf(images: readonly StoredImage[]): ReadonlySet<Digest> {
  return new Set(images.flatMap(({ contents }) => [...contents]));
}

function bySize(a: Usage, b: Usage): number {
  return b.sizeBytes - a.sizeBytes;
}
