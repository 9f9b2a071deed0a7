import type { MetadataIndex, RepositoryKey, TagEntry } from '../index/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import type { Tag } from '../oci/reference.ts';

const maxLinks = 20_000; // of the contents that are asked for again and again; about 5 MiB
const maxTags = 5_000;

type Link = NonNullable<Awaited<ReturnType<MetadataIndex['getLink']>>>;

/**
 * The same index, but links and tags that were found are remembered: every hit asks for one, and a query costs as much
 * as all the rest of a small hit that is not the system's. What another process writes does no harm here: that upstream
 * once had the content stays true (when it is gone, it is fetched again), and a tag says itself when it was checked.
 */
export function rememberIndex(index: MetadataIndex): MetadataIndex {
  const links = new Map<string, Link>();
  const tags = new Map<string, TagEntry>();
  const forget = (key: RepositoryKey, digest: Digest) => links.delete(nameOf(key, digest));
  return {
    async getLink(key, digest) {
      const name = nameOf(key, digest);
      const known = links.get(name);
      if (known) return known;
      const link = await index.getLink(key, digest);
      if (link) remember(links, maxLinks, name, link);
      return link;
    },
    // What is written is forgotten afterwards: a look-up that was under way may just have remembered the old.
    link: (key, digest, mediaType, nowMs) =>
      index.link(key, digest, mediaType, nowMs).finally(() => forget(key, digest)),
    unlink: (key, digest) => index.unlink(key, digest).finally(() => forget(key, digest)),
    removeContent: (digest) =>
      index.removeContent(digest).finally(() => {
        for (const name of links.keys()) if (name.endsWith(digest)) links.delete(name);
      }),
    async getTag(key, tag) {
      const name = nameOf(key, tag);
      const known = tags.get(name);
      if (known) return known;
      const entry = await index.getTag(key, tag);
      if (entry) remember(tags, maxTags, name, entry);
      return entry;
    },
    putTag: (key, tag, entry) => index.putTag(key, tag, entry).finally(() => tags.delete(nameOf(key, tag))),
    removeTag: (key, tag) => index.removeTag(key, tag).finally(() => tags.delete(nameOf(key, tag))),
    listTags: (key, page) => index.listTags(key, page),
    listRepositories: (registry, page) => index.listRepositories(registry, page),
    putContent: (digest, sizeBytes, nowMs) => index.putContent(digest, sizeBytes, nowMs),
    recordUses: (uses) => index.recordUses(uses),
    totals: () => index.totals(),
    close: () => index.close(),
  };
}

function remember<T>(known: Map<string, T>, maxCount: number, name: string, value: T): void {
  if (known.size >= maxCount) known.clear(); // the few that are in use come back at once
  known.set(name, value);
}

function nameOf({ registry, repository }: RepositoryKey, reference: Digest | Tag): string {
  return `${registry}/${repository}@${reference}`;
}
