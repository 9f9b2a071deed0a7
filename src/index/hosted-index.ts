import type { Digest } from '../oci/digest.ts';
import type { Repository, Tag } from '../oci/reference.ts';
import type { ContentPage, RepositoryKey } from './metadata-index.ts';

/**
 * What repositories of the hosted registry have. It is the same index as `MetadataIndex`, where they are repositories of
 * the registry `hosted.entrepot` with links, tags, contents and references like all others: whatever lists, counts or
 * verifies those sees them. What is linked from a hosted repository is *held*: no eviction, no prune and no loss of the
 * file takes the link away; only the methods below do.
 *
 * Each method is one transaction: it is done as a whole or not at all, and of two that touch the same one is after the
 * other, also across processes. Nothing is durable before `sync` resolved.
 */
export interface HostedIndex {
  /**
   * Links the repository to content that is about to be put in the store: whoever wants to remove what is there of it
   * from now on does not, and whoever has begun removes the old file only. So this comes first, then the bytes are put
   * in place as a new file, then `addBlob` or `putManifest` notes them, if the hold is there still: who has taken it away
   * meanwhile may have removed the new file, too. Until then the content is not there, and a hold that nothing follows is
   * garbage; again renews the time of the link.
   */
  hold(repository: Repository, digest: Digest, nowMs: number): Promise<void>;

  /**
   * Renews the time of a link, unless that is hardly a minute old: for whoever was told that the content is there, and
   * may push next what references it.
   */
  renew(repository: Repository, digest: Digest, nowMs: number): Promise<void>;

  /**
   * Notes content that was stored just now, and links the repository to it; again renews the time of the link. Gives what
   * `takeBack` wants, unless the content was noted before. When it must be held, and is not any more, nothing is noted.
   */
  addBlob(
    repository: Repository,
    digest: Digest,
    sizeBytes: number,
    nowMs: number,
    mustBeHeld?: boolean,
  ): Promise<AddedBlob | 'unheld' | undefined>;

  /** Takes back that content was stored, as it may not be on the disk; unless somebody has stored it once more since. */
  takeBack(added: AddedBlob): Promise<void>;

  /**
   * Links the repository to content that is stored, as the index says; false when it is not. It cannot be removed any
   * more when this resolves to true: whoever removes content asks this index in a transaction, too. Again renews the
   * time of the link, so that collecting garbage leaves it alone for a while.
   */
  mountBlob(repository: Repository, digest: Digest, nowMs: number): Promise<boolean>;

  /**
   * Notes a stored manifest with what it references and refers to, links the repository to it, and lets tags stand for
   * it. Of `required`, the content that must be stored and linked from the repository, those that are not are returned,
   * and the manifest itself when it must be held, and is not any more; then nothing is noted.
   */
  putManifest(repository: Repository, manifest: HostedManifest, tags: readonly Tag[], nowMs: number): Promise<Digest[]>;

  /** Removes a tag, if given a digest only while it stands for that; false when there was none. */
  untag(repository: Repository, tag: Tag, digest?: Digest): Promise<boolean>;

  /**
   * Makes a manifest none any more: it is not found, nor among the referrers, and its tags are gone; undefined when it
   * was not there. The repository goes on holding its bytes and what it references until `letGo`, or until it is removed
   * as the blob that it looks like: while there is more of it than this index knows, nothing that it needs goes.
   */
  removeManifest(repository: Repository, digest: Digest, only?: OnlyUnused): Promise<RemovedManifest | undefined>;

  /** Lets go of what the removal of a manifest has left; not when the link was made, or renewed, anew since then. */
  letGo(repository: Repository, digest: Digest, removed: RemovedManifest): Promise<void>;

  /**
   * Removes a blob's link. With `beforeMs`, only when it was made, or renewed, before then. `referenced` when a manifest
   * of the repository references it, or one that was not let go of: then it stays.
   */
  removeBlob(
    repository: Repository,
    digest: Digest,
    beforeMs?: number,
  ): Promise<'removed' | 'missing' | 'referenced' | 'renewed'>;

  /** Whether a manifest of the repository references content, or one that was not let go of. */
  isReferenced(repository: Repository, digest: Digest): Promise<boolean>;

  /** A page of the manifests of a repository whose subject is the digest, in the order of their digests. */
  listReferrers(repository: Repository, subject: Digest, page: ReferrerPage): Promise<HostedReferrer[]>;

  /** A page of all that hosted repositories are linked to: what garbage is found from. */
  listHeld(page: HostedPage): Promise<HostedLinks<HeldLink>>;

  /**
   * Looks through a page of the links for what is lost: manifests, and what manifests of the repository reference, that
   * are not stored, though they were.
   */
  listLost(page: HostedPage): Promise<HostedLinks<HostedLink>>;

  /** Some of the repositories, of any registry, that are linked to content, if it is stored; hosted ones first. */
  listHolders(digest: Digest, count: number): Promise<RepositoryKey[]>;

  /**
   * A page of the stored contents that hosted repositories let go of, and that no repository of any registry is linked
   * to, in the order of their digests: nobody will ask for them.
   */
  listLetGo(page: ContentPage<LetGo>): Promise<LetGo[]>;

  /** Of these contents, those that no repository of any registry is linked to. */
  listUnlinked(digests: readonly Digest[]): Promise<Digest[]>;

  /** How much the hosted repositories hold; content of several counts once. */
  hostedTotals(): Promise<{ readonly repositories: number; readonly contents: number; readonly sizeBytes: number }>;

  /**
   * Whether this index has what the records of hosted repositories say: not when it was begun anew, until `markRebuilt`.
   * Before, nothing tells what is held.
   */
  isRebuilt(): Promise<boolean>;
  /** Notes that everything that the records say was noted. */
  markRebuilt(): Promise<void>;

  /** Resolves when everything that was written before is on the disk. It does not hold up other work. */
  sync(): Promise<void>;
}

/** A manifest that is pushed. */
export interface HostedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** What it references. */
  readonly references: readonly Digest[];
  /** Of those, what the repository must have. */
  readonly required: readonly Digest[];
  /** Whether a hold came before, without which nothing is noted. */
  readonly mustBeHeld?: boolean;
  readonly subject: Digest | undefined;
  /** That of the manifest or, where it has none, the media type of its configuration. */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** Content that is new to an index. */
export interface AddedBlob {
  readonly digest: Digest;
  /** When it was stored: no later `addBlob` says the same. */
  readonly storedAtMs: number;
}

/** That a manifest is removed only when no tag stands for it, and no manifest of the repository references it. */
export interface OnlyUnused {
  /** It was linked, or the link was renewed, before then. */
  readonly beforeMs: number;
  /** Nor when it refers to a subject that is there. */
  readonly orReferrer: boolean;
}

/** What was a manifest until a moment ago. */
export interface RemovedManifest {
  /** What stood for it. */
  readonly tags: readonly Tag[];
  /** When its link was made, or renewed last. */
  readonly linkedAtMs: number;
}

/** A manifest that refers to another. */
export interface HostedReferrer {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** Which referrers are wanted: at most `count` of a type, or of all, after `after`. */
export interface ReferrerPage {
  readonly artifactType?: string | undefined;
  readonly count: number;
  readonly after?: Digest | undefined;
}

/** Content of a hosted repository. */
export interface HostedLink {
  readonly repository: Repository;
  readonly digest: Digest;
  /** Its size; 0 when it is not stored. */
  readonly sizeBytes: number;
}

/** Content of a hosted repository, with all that keeps it there. */
export interface HeldLink extends HostedLink {
  /** That of a manifest; undefined of a blob. */
  readonly mediaType: string | undefined;
  /** When the link was made, or renewed. */
  readonly linkedAtMs: number;
  /** Whether a tag stands for it. */
  readonly tagged: boolean;
  readonly subject: Digest | undefined;
  /** What a manifest references, or what was one, and was not let go of. */
  readonly references: readonly Digest[];
}

/** Stored content that nobody is linked to any more. */
export interface LetGo {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Which page is wanted: `count` links are looked at, those after where the page before ended. */
export interface HostedPage {
  readonly count: number;
  readonly after?: Pick<HostedLink, 'repository' | 'digest'> | undefined;
}

/** What was found among the links of a page, and where it ended; `next` is absent after the last. */
export interface HostedLinks<Link> {
  readonly found: readonly Link[];
  readonly next?: Pick<HostedLink, 'repository' | 'digest'> | undefined;
}
