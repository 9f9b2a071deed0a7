import type { HostedIndex } from '../../index/hosted-index.ts';
import type { LinkEntry, MetadataIndex, RepositoryKey, TagEntry } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Tag } from '../../oci/reference.ts';

const maxLinks = 20_000; // of the contents that are asked for again and again; about 5 MiB
const maxTags = 5_000;

/**
 * The same index, but links and tags that were found are remembered: every hit asks for one, and a query costs as much
 * as all the rest of a small hit that is not the system's. What another process writes is seen when `changedElsewhere`
 * has told of it; until then it does little harm: that upstream once had the content stays true (when it is gone, it
 * is fetched again), and a tag says itself when it was checked. Of hosted repositories nothing is remembered: what was
 * pushed counts from then on, whichever process it was pushed to.
 */
export function rememberIndex(index: MetadataIndex & HostedIndex): MetadataIndex & HostedIndex {
  const memory = new IndexMemory();
  return {
    ...passHosted(index, memory),
    getLink(key, digest) {
      if (key.registry === hostedRegistryName) return index.getLink(key, digest);
      const known = memory.getLink(key, digest);
      return known ? Promise.resolve(known) : memory.learnLink(key, digest, () => index.getLink(key, digest));
    },
    // What is written is forgotten afterwards: a look-up that was under way may just have remembered the old.
    link: (key, digest, mediaType, nowMs) =>
      index.link(key, digest, mediaType, nowMs).finally(() => memory.forgetLinks(digest)),
    unlink: (key, digest) => index.unlink(key, digest).finally(() => memory.forgetLinks(digest)),
    putContent: (digest, sizeBytes, nowMs) =>
      index.putContent(digest, sizeBytes, nowMs).finally(() => memory.forgetLinks(digest)),
    removeContent: (digest) => index.removeContent(digest).finally(() => memory.forgetLinks(digest)),
    removeContents: (digests) =>
      index.removeContents(digests).finally(() => {
        for (const digest of digests) memory.forgetLinks(digest);
        memory.forgetTagsOf(new Set(digests));
      }),
    getTag(key, tag) {
      if (key.registry === hostedRegistryName) return index.getTag(key, tag);
      const known = memory.getTag(key, tag);
      return known ? Promise.resolve(known) : memory.learnTag(key, tag, () => index.getTag(key, tag));
    },
    putTag: (key, tag, entry) =>
      index.putTag(key, tag, entry).finally(() => {
        memory.forgetTag(key, tag);
        memory.forgetLinks(entry.digest); // it may have become one
      }),
    removeTag: (key, tag) => index.removeTag(key, tag).finally(() => memory.forgetTag(key, tag)),
    async changedElsewhere() {
      const changed = await index.changedElsewhere();
      if (changed) memory.clear();
      return changed;
    },
    listTags: (key, page) => index.listTags(key, page),
    listRepositories: (registry, page) => index.listRepositories(registry, page),
    getKind: (key) => index.getKind(key),
    putKind: (key, kind, options) => index.putKind(key, kind, options),
    guardAll: (registry) => index.guardAll(registry),
    hasOpenHolder: (digest) => index.hasOpenHolder(digest),
    listManifests: (page) => index.listManifests(page),
    getContent: (digest) => index.getContent(digest),
    totals: () => index.totals(),
    putReferences: (digest, references) => index.putReferences(digest, references),
    referencesOf: (digest) => index.referencesOf(digest),
    listDeadLinks: (beforeMs, count) => index.listDeadLinks(beforeMs, count),
    listUnreadManifests: (page) => index.listUnreadManifests(page),
    recordUses: (uses) => index.recordUses(uses),
    listLeastRecentlyUsed: (page) => index.listLeastRecentlyUsed(page),
    listContents: (page) => index.listContents(page),
    pin: (key, reference) => index.pin(key, reference),
    unpin: (key, reference) => index.unpin(key, reference),
    listPins: () => index.listPins(),
    close: () => index.close(),
  };
}

/** What is done to hosted repositories; when it stores content, that is news for those that are cached, too. */
function passHosted(index: HostedIndex, memory: IndexMemory): HostedIndex {
  return {
    addBlob: (repository, digest, sizeBytes, nowMs, mustBeHeld) =>
      index.addBlob(repository, digest, sizeBytes, nowMs, mustBeHeld).finally(() => memory.forgetLinks(digest)),
    putManifest: (repository, manifest, tags, nowMs) =>
      index.putManifest(repository, manifest, tags, nowMs).finally(() => memory.forgetLinks(manifest.digest)),
    takeBack: (added) => index.takeBack(added).finally(() => memory.forgetLinks(added.digest)),
    hold: (repository, digest, nowMs) => index.hold(repository, digest, nowMs),
    renew: (repository, digest, nowMs) => index.renew(repository, digest, nowMs),
    mountBlob: (repository, digest, nowMs) => index.mountBlob(repository, digest, nowMs),
    untag: (repository, tag, digest) => index.untag(repository, tag, digest),
    removeManifest: (repository, digest, only) => index.removeManifest(repository, digest, only),
    letGo: (repository, digest, removed) => index.letGo(repository, digest, removed),
    removeBlob: (repository, digest, beforeMs) => index.removeBlob(repository, digest, beforeMs),
    isReferenced: (repository, digest) => index.isReferenced(repository, digest),
    listReferrers: (repository, subject, page) => index.listReferrers(repository, subject, page),
    listHeld: (page) => index.listHeld(page),
    listLost: (page) => index.listLost(page),
    listHolders: (digest, count) => index.listHolders(digest, count),
    listLetGo: (page) => index.listLetGo(page),
    listUnlinked: (digests) => index.listUnlinked(digests),
    hostedTotals: () => index.hostedTotals(),
    isRebuilt: () => index.isRebuilt(),
    markRebuilt: () => index.markRebuilt(),
    sync: () => index.sync(),
  };
}

/** The links and tags that were found, a bounded number of each. */
class IndexMemory {
  /** Digest → repository → link: what becomes of content concerns every repository that has it. */
  readonly #links = new Map<Digest, Map<string, LinkEntry>>();
  readonly #tags = new Map<string, TagEntry>();
  #linkCount = 0;
  /** Counts what was forgotten: what a look-up found that began before may be old already. */
  #forgotten = 0;

  getLink(key: RepositoryKey, digest: Digest): LinkEntry | undefined {
    return this.#links.get(digest)?.get(nameOf(key));
  }

  async learnLink(
    key: RepositoryKey,
    digest: Digest,
    find: () => Promise<LinkEntry | undefined>,
  ): Promise<LinkEntry | undefined> {
    const before = this.#forgotten;
    const link = await find();
    if (link === undefined || this.#forgotten !== before) return link;
    if (this.#linkCount >= maxLinks) this.#clearLinks(); // the few that are in use come back at once
    const links = this.#links.get(digest) ?? new Map<string, LinkEntry>();
    const { size } = links;
    this.#links.set(digest, links.set(nameOf(key), link));
    this.#linkCount += links.size - size;
    return link;
  }

  forgetLinks(digest: Digest): void {
    this.#forgotten++;
    this.#linkCount -= this.#links.get(digest)?.size ?? 0;
    this.#links.delete(digest);
  }

  getTag(key: RepositoryKey, tag: Tag): TagEntry | undefined {
    return this.#tags.get(`${nameOf(key)}:${tag}`);
  }

  async learnTag(
    key: RepositoryKey,
    tag: Tag,
    find: () => Promise<TagEntry | undefined>,
  ): Promise<TagEntry | undefined> {
    const before = this.#forgotten;
    const entry = await find();
    if (entry === undefined || this.#forgotten !== before) return entry;
    if (this.#tags.size >= maxTags) this.#tags.clear();
    this.#tags.set(`${nameOf(key)}:${tag}`, entry);
    return entry;
  }

  forgetTag(key: RepositoryKey, tag: Tag): void {
    this.#forgotten++;
    this.#tags.delete(`${nameOf(key)}:${tag}`);
  }

  forgetTagsOf(digests: ReadonlySet<Digest>): void {
    this.#forgotten++;
    for (const [name, { digest }] of this.#tags) if (digests.has(digest)) this.#tags.delete(name);
  }

  clear(): void {
    this.#forgotten++;
    this.#clearLinks();
    this.#tags.clear();
  }

  #clearLinks(): void {
    this.#links.clear();
    this.#linkCount = 0;
  }
}

function nameOf({ registry, repository }: RepositoryKey): string {
  return `${registry}/${repository}`;
}
