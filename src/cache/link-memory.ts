import type { MetadataIndex, RepositoryKey } from '../index/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';

const maxLinks = 20_000; // of the contents that are asked for again and again; about 5 MiB

type Link = NonNullable<Awaited<ReturnType<MetadataIndex['getLink']>>>;

/**
 * The same index, but links that were found are remembered: every hit asks for one, and the rest of a small hit is
 * hardly dearer than a query. That upstream once said so stays true, so a link that another process removes does no
 * harm here: its content is gone then, and is fetched again.
 */
export function rememberLinks(index: MetadataIndex): MetadataIndex {
  const links = new Map<string, Link>();
  const forget = (key: RepositoryKey, digest: Digest) => links.delete(nameOf(key, digest));
  return {
    async getLink(key, digest) {
      const name = nameOf(key, digest);
      const known = links.get(name);
      if (known) return known;
      const link = await index.getLink(key, digest);
      if (!link) return undefined;
      if (links.size >= maxLinks) links.clear(); // the few that are in use come back at once
      links.set(name, link);
      return link;
    },
    link(key, digest, mediaType, nowMs) {
      forget(key, digest);
      return index.link(key, digest, mediaType, nowMs);
    },
    unlink(key, digest) {
      forget(key, digest);
      return index.unlink(key, digest);
    },
    removeContent(digest) {
      for (const name of links.keys()) if (name.endsWith(digest)) links.delete(name);
      return index.removeContent(digest);
    },
    getTag: (key, tag) => index.getTag(key, tag),
    putTag: (key, tag, entry) => index.putTag(key, tag, entry),
    removeTag: (key, tag) => index.removeTag(key, tag),
    listTags: (key, page) => index.listTags(key, page),
    listRepositories: (registry, page) => index.listRepositories(registry, page),
    putContent: (digest, sizeBytes, nowMs) => index.putContent(digest, sizeBytes, nowMs),
    recordUses: (uses) => index.recordUses(uses),
    totals: () => index.totals(),
    close: () => index.close(),
  };
}

function nameOf({ registry, repository }: RepositoryKey, digest: Digest): string {
  return `${registry}/${repository}@${digest}`;
}
