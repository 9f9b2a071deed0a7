import type { HostedIndex } from '../index/hosted-index.ts';
import type { MetadataIndex } from '../index/metadata-index.ts';
import type { Digest, DigestAlgorithm } from '../oci/digest.ts';
import type { BlobContent, CacheOutcome, RequestedRange } from '../oci/registry.ts';
import type { BlobStore } from '../store/blob-store.ts';
import type { RecordStore } from '../store/record-store.ts';
import type { UploadStore } from '../store/upload-store.ts';
import type { SharedLocks } from '../util/locks/shared-locks.ts';
import type { Log } from '../util/log/log.ts';
import type { Clock } from '../util/time/clock.ts';

/** What every part of the hosted registry is handed. Each takes the narrower `Pick` that it needs. */
export interface HostedTools {
  readonly blobs: BlobStore;
  readonly uploads: UploadStore;
  readonly records: RecordStore;
  readonly index: MetadataIndex & HostedIndex;
  readonly content: HostedContent;
  readonly hasher: Hashing;
  readonly inUse: UsedContent;
  /** One for all who change manifests and tags: see `hosted-locks.ts`. */
  readonly locks: SharedLocks;
  readonly observer: HostedObserver;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when content is not just being removed: until then its file may be there, though nobody knows it any more. */
  removed(digest: Digest): Promise<void>;
  /** How much of the file system that uploads are on is free. */
  freeBytes(): Promise<number>;
  /** Makes so much free in all, beyond what stays free, if that can be, at the cost of what can be had again. */
  freeDisk(sizeBytes: number, signal: AbortSignal): Promise<void>;
}

/** What may be pushed, and how much of it. */
export interface HostedLimits {
  readonly maxManifestBytes: number;
  /** How much the hosted repositories may hold in all; undefined for no limit. */
  readonly maxBytes: number | undefined;
  /** How much of the file system stays free; 0 for not looking. */
  readonly minFreeBytes: number;
  /** The tags that stand for ever for what they were pushed with first. */
  readonly immutableTags: readonly RegExp[];
  readonly uploads: UploadLimits;
}

/** How many uploads there may be, and how large and old they may become. */
export interface UploadLimits {
  /** Nothing was written for so long: then it is removed. */
  readonly maxAgeMs: number;
  readonly maxCount: number;
  /** The size of one blob; undefined for no limit. */
  readonly maxBytes: number | undefined;
}

/** The content that is here, whoever may read it. Small content is verified whenever it comes from the disk. */
export interface HostedContent {
  /**
   * Content, or a part of it; undefined when it is not here, or damaged: then it is dropped, and that is logged. So it is
   * when its size is another than `knownBytes`.
   * @throws RegistryError RANGE_INVALID
   */
  open(
    digest: Digest,
    range: RequestedRange | undefined,
    outcome: CacheOutcome,
    knownBytes?: number,
  ): Promise<BlobContent | undefined>;

  /** All bytes of content that is small enough to be a manifest; undefined as in `open`. */
  readWhole(digest: Digest): Promise<Uint8Array | undefined>;

  /**
   * Stores verified bytes of small content, durably, in a file of their own, which takes the place of one that is there.
   * The index is not told.
   */
  store(digest: Digest, bytes: Uint8Array): Promise<void>;
}

/** Content that is not removed meanwhile to make room. */
export interface UsedContent {
  /** Notes a use, until what it gives is called. */
  take(digest: Digest): () => void;
}

/** Hashes beside the main thread. */
export interface Hashing {
  /** Begins a hash. Its promises reject when it cannot go on. */
  begin(algorithm: DigestAlgorithm): RunningHash;
}

/** The digest of a stream of bytes, in the making. `end` or `drop` is called once, as the last. */
export interface RunningHash {
  /** Resolves when the bytes, in shared memory, may change again. They are taken in the order of the calls. */
  update(bytes: Uint8Array): Promise<void>;
  /** The digest of everything, once all of it was taken. */
  end(): Promise<Digest>;
  drop(): void;
}

/** Why a push was refused. */
export type RefusalReason = 'count' | 'size' | 'quota' | 'disk' | 'digest';

/** Is told what becomes of pushes, and what is pulled. It must not throw. */
export interface HostedObserver {
  /** A client gets a blob, or a part of it, or a manifest. */
  pulled(digest: Digest): void;
  /** Bytes of an upload arrived. */
  received(sizeBytes: number): void;
  refused(reason: RefusalReason): void;
}
