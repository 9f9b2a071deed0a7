import type { Digest, DigestAlgorithm } from './digest.ts';
import type { Reference, Repository, Tag } from './reference.ts';

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

/**
 * A registry that can be pushed to as well. Whatever a method has acknowledged by resolving is durable: no crash at any
 * later moment loses it. Beside the failures of reading:
 * - BLOB_UPLOAD_UNKNOWN: there is no such upload (any more) in this repository.
 * - BLOB_UPLOAD_INVALID: the upload's bytes cannot be taken; RANGE_INVALID: they are not the next ones.
 * - DIGEST_INVALID: the bytes are not what their digest says. The upload is over then.
 * - SIZE_INVALID: it is larger than may be pushed, or another size than was announced.
 * - MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN: the manifest cannot be taken, or references what the repository has not.
 * - DENIED: a rule of this registry forbids it (a tag that is immutable, a quota that is full).
 */
export interface PushableRegistry extends Registry {
  /**
   * Begins an upload (POST, end-4a). What is known of it already lets it be refused before its bytes are sent, and
   * hashed as they come.
   */
  beginUpload(repository: Repository, hint: UploadHint, signal: AbortSignal): Promise<UploadState>;

  /** How far an upload is (GET, end-13). */
  getUpload(repository: Repository, id: string, signal: AbortSignal): Promise<UploadState>;

  /**
   * Adds bytes to an upload (PATCH, end-5). What arrived before the body broke off is kept, for the client to go on
   * after it. One request at a time may add to an upload.
   */
  appendUpload(repository: Repository, id: string, body: UploadBody, signal: AbortSignal): Promise<UploadState>;

  /** Adds the last bytes, if any, and makes the upload a blob of the repository (PUT, end-6). */
  finishUpload(
    repository: Repository,
    id: string,
    digest: Digest,
    body: UploadBody,
    signal: AbortSignal,
  ): Promise<void>;

  /** Ends an upload, and forgets its bytes (DELETE, end-14). */
  cancelUpload(repository: Repository, id: string, signal: AbortSignal): Promise<void>;

  /** Gives the repository a blob that is here already (POST with `mount`, end-11); false when it has to be uploaded. */
  mountBlob(repository: Repository, digest: Digest, offer: MountOffer, signal: AbortSignal): Promise<boolean>;

  /**
   * Stores a manifest, byte for byte, and lets tags stand for it (PUT, end-7): the reference when it is one, and those of
   * the `tag` parameters (end-7b).
   */
  putManifest(repository: Repository, push: ManifestPush, signal: AbortSignal): Promise<PushedManifest>;

  /** Removes a tag, and nothing else (DELETE, end-9). @throws RegistryError MANIFEST_UNKNOWN */
  deleteTag(repository: Repository, tag: Tag, signal: AbortSignal): Promise<void>;

  /** Removes a manifest, with the tags that stand for it (DELETE, end-9). @throws RegistryError MANIFEST_UNKNOWN */
  deleteManifest(repository: Repository, digest: Digest, signal: AbortSignal): Promise<void>;

  /**
   * Removes a blob from the repository (DELETE, end-10).
   * @throws RegistryError BLOB_UNKNOWN; UNSUPPORTED while a manifest of it references the blob
   */
  deleteBlob(repository: Repository, digest: Digest, signal: AbortSignal): Promise<void>;
}

/** What is known of an upload when it begins. */
export interface UploadHint {
  /** What its digest will be of (`digest-algorithm`, end-4c, or that of `digest`, end-4b); sha256 unless given. */
  readonly algorithm?: DigestAlgorithm | undefined;
  /** How large it will be: of a POST that brings all of it. */
  readonly sizeBytes?: number | undefined;
  /** Who begins it, by whatever tells clients apart: so that none takes all places. */
  readonly by?: string | undefined;
}

/** How far an upload is. */
export interface UploadState {
  /** What the client names it by: letters, digits and `-`. */
  readonly id: string;
  /** How many bytes have arrived. */
  readonly sizeBytes: number;
}

/**
 * Bytes that a client sends, read once, in order; each piece is there until the next is asked for. They may not be read to
 * the end: what is left, the giver deals with.
 * That they end before their size, or are broken off, is an error of `bytes`, or simply their end.
 */
export interface UploadBody {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** How many there are; unknown when the client did not say. */
  readonly sizeBytes: number | undefined;
  /** The position in the blob that the first byte is for (`Content-Range`); undefined for "after what is there". */
  readonly start: number | undefined;
}

/** Where a blob may be taken from. */
export interface MountOffer {
  /** The repository that has it, as the client says; undefined when any that may be read will do. */
  readonly from: Repository | undefined;
  /** Whether the client may read a repository: of this registry, or of one that is cached (by its name). */
  mayRead(registry: string, repository: Repository): boolean;
}

/** A manifest as it is pushed. */
export interface ManifestPush {
  readonly reference: Reference;
  readonly tags: readonly Tag[];
  /** The `Content-Type`, without parameters. */
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** A manifest that was pushed. */
export interface PushedManifest {
  readonly digest: Digest;
  /** The tags that stand for it by this push. */
  readonly tags: readonly Tag[];
  /** The manifest that it refers to, which need not be there (`OCI-Subject`). */
  readonly subject: Digest | undefined;
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
