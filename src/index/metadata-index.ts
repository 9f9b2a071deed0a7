import type { Digest } from '../oci/digest.ts';
import type { Reference, Repository, Tag } from '../oci/reference.ts';
import type { Page } from '../oci/registry.ts';

/** A repository and the registry that it belongs to, by the name that the registry has in the configuration. */
export interface RepositoryKey {
  readonly registry: string;
  readonly repository: Repository;
}

/** Who may read a cached repository: everybody, or those only whom upstream lets by their own credentials. */
export type RepositoryKind = 'open' | 'guarded';

/** What a tag stood for when upstream was asked last. */
export interface TagEntry {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** When upstream last said so, in milliseconds since the epoch. */
  readonly checkedAtMs: number;
}

/** That a repository has some content. */
export interface LinkEntry {
  /** That of a manifest; undefined of a blob. */
  readonly mediaType: string | undefined;
  /** The size of the stored content, as it was noted; undefined when it is not stored. */
  readonly sizeBytes: number | undefined;
}

/** Stored content. */
export interface ContentEntry {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly storedAtMs: number;
  /** When it was used last: by itself, or through what references it. */
  readonly usedAtMs: number;
  /** How often it was given out from here, by itself. */
  readonly hits: number;
  readonly isManifest: boolean;
  /** 0 of a blob, 1 of a manifest, more of what references manifests. */
  readonly level: number;
  /** The stored manifests that reference it. */
  readonly referencedBy: readonly Digest[];
  /** Whether it, or anything that it is reached from by references, is pinned. */
  readonly pinned: boolean;
  /** Whether a hosted repository is linked to it: then it is no matter of the cache, and stays. */
  readonly hosted: boolean;
}

/** A stored manifest that a repository has. One digest in two repositories is two of these. */
export interface ManifestEntry extends RepositoryKey {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly usedAtMs: number;
  readonly hits: number;
  /** The tags of this repository that stand for it, in lexical order. */
  readonly tags: readonly Tag[];
}

/** Content that a manifest references. */
export interface ReferencedContent {
  readonly digest: Digest;
  /** Its size; undefined when it is not stored. */
  readonly sizeBytes: number | undefined;
}

/** What is kept though nobody pulls it: a tag, whatever it stands for, or a digest. */
export interface Pin extends RepositoryKey {
  readonly reference: Reference;
}

/** That content was used: when last, and how often it was given out from here. */
export interface Use {
  readonly atMs: number;
  readonly hits: number;
}

/** Which page of repositories is wanted: at most `count`, after `after`. */
export interface RepositoryPage {
  readonly count?: number | undefined;
  readonly after?: RepositoryKey | undefined;
}

/** Which page of stored content is wanted: at most `count`, after the last entry of the page before. */
export interface ContentPage<Entry> {
  readonly count: number;
  readonly after?: Entry | undefined;
}

/** A stored manifest of which nobody noted yet what it references. */
export interface UnreadManifest {
  readonly digest: Digest;
  readonly mediaType: string;
}

/** Which manifests are wanted: of one registry, or of one repository of it, or all. */
export interface ManifestPage {
  readonly registry?: string | undefined;
  /** Only with a registry. */
  readonly repository?: Repository | undefined;
  readonly count: number;
  readonly after?: Pick<ManifestEntry, 'registry' | 'repository' | 'digest'> | undefined;
}

/**
 * What is known of the stored bytes: which repository has which content, what tags stand for, sizes and uses, what
 * references what, and what is pinned. But for the pins, it holds nothing that upstream or the store could not tell
 * again. Times are milliseconds since the epoch. Failures reject with the driver's error; "not there" is `undefined` or
 * `false`. Several processes may use one index at a time.
 *
 * Lists come in pages, and a page of some hundred takes a few milliseconds at most, however much is stored. What is
 * written between two pages may be in the second or not; nothing that stays as it is comes twice or never.
 */
export interface MetadataIndex {
  /** What a tag stands for; undefined when it was never asked for, or was removed. */
  getTag(key: RepositoryKey, tag: Tag): Promise<TagEntry | undefined>;
  /** Writes what a tag stands for. When that is stored, the repository has it: this makes the link, too. */
  putTag(key: RepositoryKey, tag: Tag, entry: TagEntry): Promise<void>;
  /** Forgets a tag; false when there was none. */
  removeTag(key: RepositoryKey, tag: Tag): Promise<boolean>;
  /** A page of the known tags of a repository, in lexical (code point) order. */
  listTags(key: RepositoryKey, page: Page): Promise<string[]>;

  /** Notes that upstream has this content in this repository. `mediaType` is that of a manifest, undefined of a blob. */
  link(key: RepositoryKey, digest: Digest, mediaType: string | undefined, nowMs: number): Promise<void>;
  /** The link between a repository and content; undefined when there is none. */
  getLink(key: RepositoryKey, digest: Digest): Promise<LinkEntry | undefined>;
  /** Removes a link; false when there was none. */
  unlink(key: RepositoryKey, digest: Digest): Promise<boolean>;
  /**
   * Some of the links of cached repositories that were made before a time to content that is not stored. It looks at
   * every link: for tools.
   */
  listDeadLinks(beforeMs: number, count: number): Promise<(RepositoryKey & { readonly digest: Digest })[]>;
  /** A page of the repositories that have links or tags, in lexical order of registry and name; of one registry if named. */
  listRepositories(registry: string | undefined, page: RepositoryPage): Promise<RepositoryKey[]>;
  /** Of what kind a cached repository is; undefined when nobody noted that. */
  getKind(key: RepositoryKey): Promise<RepositoryKind | undefined>;
  /** Notes of what kind a cached repository is; `ifKnown` for nothing to be noted of one that is not known yet. */
  putKind(key: RepositoryKey, kind: RepositoryKind, options?: { readonly ifKnown: boolean }): Promise<void>;
  /** Notes that every repository of a registry that is known so far is guarded. */
  guardAll(registry: string): Promise<void>;
  /** Whether an open repository is linked to the content, so that everybody may read it. */
  hasOpenHolder(digest: Digest): Promise<boolean>;
  /** A page of the stored manifests that repositories have, in lexical order of registry, name and digest. */
  listManifests(page: ManifestPage): Promise<ManifestEntry[]>;

  /** Notes that the content is stored, with its size; again is no harm. */
  putContent(digest: Digest, sizeBytes: number, nowMs: number): Promise<void>;
  /** The stored content of a digest; undefined when there is none. */
  getContent(digest: Digest): Promise<ContentEntry | undefined>;
  /**
   * Forgets stored content that is lost, the links of cached repositories to it, and what it references. Tags still say
   * what upstream said, and hosted repositories stay linked: when the content is stored again, they have it again.
   */
  removeContent(digest: Digest): Promise<void>;
  /**
   * Forgets contents, links and tags that stand for them, but for what a hosted repository is linked to: that stays as it
   * is. Returns what is forgotten now, whose bytes may be removed. All in one transaction, so not too many.
   */
  removeContents(digests: readonly Digest[]): Promise<Digest[]>;
  /** How much of the cache is stored; what a hosted repository is linked to is not counted. */
  totals(): Promise<{ readonly contents: number; readonly sizeBytes: number }>;

  /**
   * Notes what a stored manifest references, instead of what was noted before: manifests, configuration, layers, which
   * need not be stored. It makes the content a manifest, and counts its last use for what it references. Of content that
   * is not stored nothing is noted.
   */
  putReferences(digest: Digest, references: readonly Digest[]): Promise<void>;
  /** What a stored manifest references, in no order. */
  referencesOf(digest: Digest): Promise<ReferencedContent[]>;
  /** The stored manifests of which nobody noted yet what they reference, in the order of their digests. */
  listUnreadManifests(page: ContentPage<UnreadManifest>): Promise<UnreadManifest[]>;

  /**
   * Notes uses. A use of a manifest is one (its time, not its hits) of all that it references, and so on. Unknown
   * digests are passed over, times never go back. Other work comes between the parts of a large batch, and a failure
   * may leave the first of them noted.
   */
  recordUses(uses: ReadonlyMap<Digest, Use>): Promise<void>;
  /**
   * A page of the stored contents of the cache, those first that were used longest ago; of one time, what references
   * others first. What a hosted repository is linked to is not among them.
   */
  listLeastRecentlyUsed(
    page: ContentPage<Pick<ContentEntry, 'usedAtMs' | 'level' | 'digest'>>,
  ): Promise<ContentEntry[]>;
  /** A page of the stored contents, in the order of their digests. */
  listContents(page: ContentPage<Pick<ContentEntry, 'digest'>>): Promise<ContentEntry[]>;

  /** Pins what a reference of a repository stands for now and later, though nothing of it be here; again is no harm. */
  pin(key: RepositoryKey, reference: Reference): Promise<void>;
  /** Takes a pin away; false when there was none. */
  unpin(key: RepositoryKey, reference: Reference): Promise<boolean>;
  /** Every pin, in lexical order of registry, name and reference: people make them, so they are few. */
  listPins(): Promise<Pin[]>;

  /**
   * Whether another process, or another in this one, wrote to the index since this was last asked. It rejects when the
   * index is not where it was opened: what is written to it then is lost with the next start.
   */
  changedElsewhere(): Promise<boolean>;
  /** Ends the index. No method is called after it. */
  close(): Promise<void>;
}
