import type { Digest } from './digest.ts';
import type { Reference, Repository } from './reference.ts';

/**
 * A registry that can be read: an upstream over HTTP, the cache in front of it, a hosted one, or one made for a test.
 *
 * Every method takes an `AbortSignal` and rejects with its reason when it fires. Every other failure is a
 * `RegistryError`:
 * - NAME_UNKNOWN, MANIFEST_UNKNOWN, BLOB_UNKNOWN: it is not there. Only these mean so.
 * - DENIED or UNAUTHORIZED: the registry refuses it to us.
 * - TOOMANYREQUESTS, UNAVAILABLE: the registry cannot answer now.
 * - UNSUPPORTED: the registry has no such operation.
 */
export interface Registry {
  /** What a reference stands for, without its bytes (HEAD, end-3). */
  resolveManifest(repository: Repository, reference: Reference, signal: AbortSignal): Promise<ManifestDescriptor>;

  /** A manifest's bytes, exactly as they were pushed (GET, end-3). They hash to the descriptor's digest. */
  getManifest(repository: Repository, reference: Reference, signal: AbortSignal): Promise<Manifest>;

  /** Whether a blob is there, and its size (HEAD, end-2). */
  statBlob(repository: Repository, digest: Digest, signal: AbortSignal): Promise<BlobStat>;

  /**
   * The bytes of a blob from `range.start` on (GET, end-2); the whole blob without a range. The caller closes it.
   * A range beyond the end is RANGE_INVALID, with `content-range` in the error's headers.
   */
  getBlob(
    repository: Repository,
    digest: Digest,
    range: RequestedRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobContent>;

  /** One page of a repository's tags, in lexical order (end-8). */
  listTags(repository: Repository, page: Page, signal: AbortSignal): Promise<TagList>;

  /** The manifests whose subject is this digest, as the bytes of an image index (end-12). */
  listReferrers(repository: Repository, digest: Digest, query: ReferrersQuery, signal: AbortSignal): Promise<Referrers>;

  /** One page of the registry's repositories, in lexical order. */
  listRepositories(page: Page, signal: AbortSignal): Promise<RepositoryList>;
}

/** What is known of a manifest without its bytes. */
export interface ManifestDescriptor {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** How a cache came to answer so; absent where there is none. */
  readonly outcome?: CacheOutcome;
}

/** A manifest: small enough to be held in memory, as its readers parse it anyway. */
export interface Manifest extends ManifestDescriptor {
  readonly bytes: Uint8Array;
}

/** What is known of a blob without its bytes. */
export interface BlobStat {
  readonly sizeBytes: number;
  readonly outcome?: CacheOutcome;
}

/** Which bytes are wanted: from `start` to `end`, both inclusive; or the last `suffixLength`. */
export type RequestedRange =
  | { readonly start: number; readonly end?: number | undefined }
  | { readonly suffixLength: number };

/**
 * A blob, or one part of it, on its way. Its bytes come in chunks, in order. Whoever got it closes it, whether or not
 * it was read to the end; closing twice is allowed.
 */
export interface BlobContent {
  /** The size of the whole blob; unknown when the registry did not say. */
  readonly sizeBytes: number | undefined;
  /** The first byte that comes, counted from the blob's start. */
  readonly start: number;
  /** The byte after the last that comes; unknown only when the size is. */
  readonly end: number | undefined;
  readonly outcome?: CacheOutcome;
  /**
   * The next bytes, or undefined after the last. It rejects when they cannot be had, or when the whole does not have
   * the digest that it was asked for by: then the last bytes were never given out. Not called again before it settled.
   */
  next(): Promise<Chunk | undefined>;
  close(): void;
}

/** Some bytes in a buffer that is used again after `release`, which is called once. */
export interface Chunk {
  readonly bytes: Uint8Array;
  release(): void;
}

/** Which page of a list is wanted: at most `count` entries, after the entry `last`. */
export interface Page {
  readonly count?: number | undefined;
  readonly last?: string | undefined;
}

/** A page of tags. */
export interface TagList {
  readonly tags: readonly string[];
  /** Where the next page begins; absent on the last. */
  readonly next?: Page | undefined;
  readonly outcome?: CacheOutcome;
}

/** A page of repositories. */
export interface RepositoryList {
  readonly repositories: readonly string[];
  readonly next?: Page | undefined;
}

/** Which referrers are wanted. */
export interface ReferrersQuery {
  readonly artifactType?: string | undefined;
  /** The query of the page after the first, as the registry gave it in `next`. */
  readonly page?: string | undefined;
}

/** A page of referrers. */
export interface Referrers {
  /** An image index, as the registry wrote it. */
  readonly bytes: Uint8Array;
  /** Whether the registry applied the `artifactType` filter (`OCI-Filters-Applied`). */
  readonly filtered: boolean;
  /** What to ask for next, as `ReferrersQuery.page`; absent on the last page. */
  readonly next?: string | undefined;
  readonly outcome?: CacheOutcome;
}

/** How a cache answered, in the terms of RFC 9211 (`Cache-Status`). */
export type CacheOutcome =
  /** From here, without asking upstream. */
  | { readonly kind: 'hit' }
  /** Asked upstream, because it was not here; `collapsed` when another request's transfer served this one. */
  | { readonly kind: 'miss'; readonly stored: boolean; readonly collapsed: boolean }
  /** From here, after upstream said that it is still right. */
  | { readonly kind: 'revalidated' }
  /** From here, although its time is over, as whoever runs this wants it: upstream is asked behind the answer. */
  | { readonly kind: 'revalidating' }
  /** From here, although it is old, because upstream could not be asked; `reason` tells why. */
  | { readonly kind: 'stale'; readonly reason: string };
