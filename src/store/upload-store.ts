import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { ReadableAt } from './blob-store.ts';

/**
 * Blobs that are being pushed, whose digest is known at the end. They outlive the process: what was written is there at
 * the next start. Several processes may have the store open, but each upload is one's own: only that one writes it. What
 * is another's is not there for this one. Failures reject with the system's error (`code` ENOSPC,
 * EACCES, …); "not there" is `undefined` or `false`.
 */
export interface UploadStore {
  /**
   * Begins an upload to a repository: it is this store's own. Until it is kept, or closed, it ends with the process, and
   * is not listed.
   */
  beginUpload(repository: Repository): Promise<OpenUpload>;

  /**
   * Makes an upload this store's own whose owner has died, or was closed. It is `theirs` while the owner lives;
   * undefined when there is none. Of several who try at once it is one's.
   */
  claimUpload(id: string): Promise<'ours' | 'theirs' | undefined>;

  /** Opens an upload to go on with it. It is open once at a time: that is for the caller to see to. */
  openUpload(id: string): Promise<OpenUpload | undefined>;

  /** What is known of an upload. */
  statUpload(id: string): Promise<StoredUpload | undefined>;

  /** Removes an upload, though it be open, which cannot be committed then; false when there is none. */
  removeUpload(id: string): Promise<boolean>;

  /** Every upload that is this store's own, in no order: it claims all that it can. */
  listUploads(): AsyncIterable<StoredUpload>;

  /** Lets others have what is not finished. Called as the last, when none is open. */
  close(): Promise<void>;
}

/** What is known of an upload. */
export interface StoredUpload {
  /** Made by the store; nobody can guess it. Letters, digits and `-`. */
  readonly id: string;
  readonly repository: Repository;
  /** How many bytes have arrived. */
  readonly sizeBytes: number;
  /** When it was begun, and when bytes were written last, in milliseconds since the epoch. */
  readonly beganAtMs: number;
  readonly writtenAtMs: number;
}

/** An upload, open for writing. It is closed once, when no read or write is under way. */
export interface OpenUpload extends ReadableAt {
  readonly id: string;
  readonly repository: Repository;
  /** How many bytes there are, those of this opener included. */
  readonly sizeBytes: number;

  /** Writes all of the bytes after those that are there, or none; one call at a time. They must not change until it settles. */
  append(bytes: Uint8Array): Promise<void>;

  /** Sees that it outlives the process as it is, and whatever is added to it; when it does, that costs nothing. */
  keep(): Promise<void>;

  /**
   * Makes it the blob of this digest, as `BlobWriter.commit` does: durable when it resolves. The bytes are not verified.
   * It replaces a blob of that digest, whose readers go on. The upload is no more; nor is it when the disk could not be
   * made to write the bytes, as nobody can tell which of them it has. `placed` is called when the blob is there, and
   * perhaps not yet durable: what it begins runs beside the rest, is waited for, and fails it.
   */
  commit(digest: Digest, placed?: () => Promise<void>): Promise<void>;

  /** Closes it; what is no blob is kept. */
  close(): Promise<void>;
}
