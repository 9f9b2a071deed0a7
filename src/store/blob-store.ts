import type { Digest } from '../oci/digest.ts';

/**
 * Bytes by digest, immutable once committed. A store does not verify: whoever writes commits only what was verified.
 * Failures reject with the system's error (`code` ENOSPC, EACCES, …), never with "not found": that is `undefined`.
 */
export interface BlobStore {
  /** The size of a committed blob in bytes; undefined when it is not stored. */
  size(digest: Digest): Promise<number | undefined>;

  /** Opens a committed blob; undefined when it is not stored. What is open stays readable though it be removed. */
  open(digest: Digest): Promise<StoredBlob | undefined>;

  /**
   * Begins to write a blob. Several writers of one digest may be open at a time: each has a spool of its own, and
   * the first to commit wins without harm, as their bytes are the same.
   */
  create(digest: Digest): Promise<BlobWriter>;

  /** Stores a blob that is in memory as a whole, durably, in a file of its own: what is there of it is replaced. */
  put(digest: Digest, bytes: Uint8Array): Promise<void>;

  /**
   * Takes over what an earlier writer of the blob left: one that was closed with `keep`, or one that died with its
   * process before this store was opened. From then on it is the caller's alone, as if `create` had made it. After a
   * crash its bytes may be anything; undefined when there is nothing to take over.
   */
  resume(digest: Digest): Promise<PartialBlob | undefined>;

  /** How much can be taken over by `resume`. It is of no use for ever, and the store removes it when it is old. */
  partials(): Promise<{ readonly count: number; readonly sizeBytes: number }>;

  /** Removes a blob; false when it was not stored. */
  remove(digest: Digest): Promise<boolean>;

  /** Every committed blob, in no order. */
  list(): AsyncIterable<ListedBlob>;

  /**
   * Everything that is in the store's place, and in that of the uploads and records beside it, and is none of them, nor
   * being written; in no order.
   */
  listLeftovers(): AsyncIterable<Leftover>;
}

/** A committed blob as it is listed. */
export interface ListedBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** When its bytes were written, in milliseconds since the epoch. */
  readonly writtenAtMs: number;
}

/** Something that no layout of the store knows: nobody will ever look for it. */
export interface Leftover {
  /** What a person finds it by. */
  readonly path: string;
  readonly sizeBytes: number;
  /** When its bytes were written, in milliseconds since the epoch. */
  readonly writtenAtMs: number;
  /** Removes it; again is no harm. */
  remove(): Promise<void>;
}

/** Reads at a position. */
export interface ReadableAt {
  /** Fills the buffer's beginning from `position`; the count of bytes is less than its length only at the end. */
  read(into: Uint8Array, position: number): Promise<number>;
}

/** A committed blob, open for reading. It is closed once, by whoever opened it, when no read is under way. */
export interface StoredBlob extends ReadableAt {
  readonly sizeBytes: number;
  /** Removes this blob from the store; false when that was done before, or another has taken its place, which stays. */
  remove(): Promise<boolean>;
  close(): Promise<void>;
}

/** A blob of which some was written before. */
export interface PartialBlob {
  readonly writer: BlobWriter;
  /** How many bytes are there, from the first on; never none. */
  readonly sizeBytes: number;
}

/**
 * A blob that is being written. It can be read while it grows, and until `close`, whatever became of it. Writes may
 * overlap in time and complete in any order; what has been written can be read.
 */
export interface BlobWriter extends ReadableAt {
  /** Writes all of the bytes at the position. They must not change until it settles. */
  write(bytes: Uint8Array, position: number): Promise<void>;

  /**
   * Makes the blob whole and durable: when it resolves, it is stored, and a crash at any moment leaves either the
   * whole blob or none. Called once, after all writes have settled.
   */
  commit(): Promise<void>;

  /**
   * Ends writing and reading. What was not committed is removed or, with `keep`, left for `resume`; of several that
   * were left the longest is kept. Called once, when no read or write is under way.
   */
  close(options?: { readonly keep?: boolean }): Promise<void>;
}
