import type { Digest } from '../oci/digest.ts';
import type { Repository, Tag } from '../oci/reference.ts';
import type { Page } from '../oci/registry.ts';

/** A repository and the registry that it belongs to, by the name that the registry has in the configuration. */
export interface RepositoryKey {
  readonly registry: string;
  readonly repository: Repository;
}

/** What a tag stood for when upstream was asked last. */
export interface TagEntry {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** When upstream last said so, in milliseconds since the epoch. */
  readonly checkedAtMs: number;
}

/**
 * What is known of the stored bytes: which repository has which content, what tags stand for, sizes and uses. It holds
 * nothing that upstream or the store could not tell again. Times are milliseconds since the epoch. Failures reject
 * with the driver's error; "not there" is `undefined` or `false`.
 */
export interface MetadataIndex {
  /** What a tag stands for; undefined when it was never asked for, or was removed. */
  getTag(key: RepositoryKey, tag: Tag): Promise<TagEntry | undefined>;
  /** Writes what a tag stands for. */
  putTag(key: RepositoryKey, tag: Tag, entry: TagEntry): Promise<void>;
  /** Forgets a tag; false when there was none. */
  removeTag(key: RepositoryKey, tag: Tag): Promise<boolean>;
  /** A page of the known tags of a repository, in lexical (code point) order. */
  listTags(key: RepositoryKey, page: Page): Promise<string[]>;

  /** Notes that upstream has this content in this repository. `mediaType` is that of a manifest, undefined of a blob. */
  link(key: RepositoryKey, digest: Digest, mediaType: string | undefined, nowMs: number): Promise<void>;
  /** The link between a repository and content; undefined when there is none. */
  getLink(key: RepositoryKey, digest: Digest): Promise<{ readonly mediaType: string | undefined } | undefined>;
  /** Removes a link; false when there was none. */
  unlink(key: RepositoryKey, digest: Digest): Promise<boolean>;
  /** A page of the repositories that have links or tags, in lexical order of registry and name; of one registry if named. */
  listRepositories(registry: string | undefined, page: RepositoryPage): Promise<RepositoryKey[]>;

  /** Notes that the content is stored, with its size; again is no harm. */
  putContent(digest: Digest, sizeBytes: number, nowMs: number): Promise<void>;
  /** Forgets stored content, and every link to it. */
  removeContent(digest: Digest): Promise<void>;
  /** Notes uses: digest → when it was pulled last. Unknown digests are passed over, times never go back. */
  recordUses(uses: ReadonlyMap<Digest, number>): Promise<void>;
  /** How much is stored. */
  totals(): Promise<{ readonly contents: number; readonly sizeBytes: number }>;

  /** Ends the index. No method is called after it. */
  close(): Promise<void>;
}

/** Which page of repositories is wanted: at most `count`, after `after`. */
export interface RepositoryPage {
  readonly count?: number | undefined;
  readonly after?: RepositoryKey | undefined;
}
