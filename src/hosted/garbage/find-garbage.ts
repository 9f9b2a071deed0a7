import type { HeldLink } from '../../index/hosted-index.ts';

/** What counts as garbage. */
export interface GarbageRules {
  /** What was linked, or renewed, since then is none, whatever else holds: somebody may be about to push what needs it. */
  readonly beforeMs: number;
  /** Whether manifests go that nobody finds but by their digest. */
  readonly untagged: boolean;
}

/** What of a repository nobody needs. */
export interface Garbage {
  /** In an order in which each can be removed: what references or is referred to by another comes before it. */
  readonly manifests: readonly HeldLink[];
  readonly blobs: readonly HeldLink[];
}

/**
 * Finds what nobody needs of all that one repository is linked to. Manifests are needed that have a tag or are new, that
 * a needed manifest references, or that refer to a needed manifest; blobs are that a needed manifest references, or that
 * are new. What is being removed, and not let go of, needs what it references still: if it was broken off, it comes back.
 */
export function findGarbage(links: readonly HeldLink[], rules: GarbageRules): Garbage {
  const { beforeMs, untagged } = rules;
  const manifests = links.filter(({ mediaType }) => mediaType !== undefined);
  const isWanted = ({ tagged, linkedAtMs, mediaType, references }: HeldLink) =>
    mediaType === undefined ? references.length > 0 : !untagged || tagged || linkedAtMs >= beforeMs;
  const needed = findNeeded(manifests, links.filter(isWanted));
  const unneeded = manifests.filter((link) => !needed.has(link));
  const going = inOrderOfRemoval(unneeded);
  // What refers to something that it also consists of, over another, has no place in that order, and stays with it.
  const hasPlace = new Set(going);
  const stuck = unneeded.filter((link) => !hasPlace.has(link));
  const staying = new Set([...needed, ...findNeeded(manifests, stuck)]);
  const referenced = new Set([...staying].flatMap(({ references }) => references));
  return {
    manifests: going.filter((link) => !staying.has(link)),
    blobs: links.filter(
      ({ mediaType, digest, linkedAtMs }) =>
        mediaType === undefined && !referenced.has(digest) && linkedAtMs < beforeMs,
    ),
  };
}

/** What is reached from some manifests: what they consist of, and what refers to any of that. */
function findNeeded(manifests: readonly HeldLink[], wanted: Iterable<HeldLink>): Set<HeldLink> {
  const byDigest = new Map(manifests.map((link) => [link.digest, link]));
  const referrers = Map.groupBy(manifests, ({ subject }) => subject);
  const needed = new Set<HeldLink>();
  const pending = [...wanted];
  for (let link = pending.pop(); link !== undefined; link = pending.pop()) {
    if (needed.has(link)) continue;
    needed.add(link);
    for (const target of link.references) {
      const child = byDigest.get(target); // it need not be here, nor be a manifest
      if (child !== undefined) pending.push(child);
    }
    pending.push(...(referrers.get(link.digest) ?? []));
  }
  return needed;
}

// What a manifest references, and its subject, it names by their digests: so there is always one that nothing is before.
function inOrderOfRemoval(manifests: readonly HeldLink[]): HeldLink[] {
  const byDigest = new Map(manifests.map((link) => [link.digest, link]));
  const later = new Map<HeldLink, HeldLink[]>();
  const earlierCount = new Map<HeldLink, number>();
  const order = (first: HeldLink | undefined, second: HeldLink | undefined) => {
    if (first === undefined || second === undefined) return;
    const others = later.get(first);
    if (others) others.push(second);
    else later.set(first, [second]);
    earlierCount.set(second, (earlierCount.get(second) ?? 0) + 1);
  };
  for (const link of manifests) {
    for (const target of link.references) order(link, byDigest.get(target));
    if (link.subject !== undefined) order(byDigest.get(link.subject), link);
  }
  const ordered = manifests.filter((link) => !earlierCount.has(link));
  for (const link of ordered) {
    for (const next of later.get(link) ?? []) {
      const count = earlierCount.get(next)! - 1;
      earlierCount.set(next, count);
      if (count === 0) ordered.push(next); // which this loop comes to, too
    }
  }
  return ordered;
}
