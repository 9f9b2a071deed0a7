import type { DigestAlgorithm } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { UploadState } from '../../oci/registry.ts';
import { unlessAborted } from '../../util/locks/single-flight.ts';
import { UploadDigest } from '../receiving/upload-digest.ts';
import type { Hashing } from '../tools.ts';
import { busyUpload } from './upload-errors.ts';

/** What a session is made of. */
export interface SessionOptions {
  readonly id: string;
  readonly repository: Repository;
  readonly sizeBytes: number;
  readonly writtenAtMs: number;
  readonly hasher: Hashing;
  readonly algorithm: DigestAlgorithm | undefined;
  readonly by?: string | undefined;
}

interface Request {
  readonly signal: AbortSignal;
  readonly ended: Promise<void>;
}

/** What is known here of an upload beside its file: the hash that runs along, and who is at it. */
export class UploadSession {
  readonly id: string;
  readonly repository: Repository;
  /** Who began it, if that is known. */
  readonly by: string | undefined;
  readonly digest: UploadDigest;
  sizeBytes: number;
  writtenAtMs: number;
  /** Whether it was finished, cancelled or removed. */
  isOver = false;
  #request: Request | undefined;

  constructor({ id, repository, sizeBytes, writtenAtMs, hasher, algorithm = 'sha256', by }: SessionOptions) {
    this.id = id;
    this.repository = repository;
    this.by = by;
    this.sizeBytes = sizeBytes;
    this.writtenAtMs = writtenAtMs;
    this.digest = new UploadDigest(hasher, algorithm);
  }

  get state(): UploadState {
    return { id: this.id, sizeBytes: this.sizeBytes };
  }

  /** Whether a request is at it. */
  get isBusy(): boolean {
    return this.#request !== undefined;
  }

  /**
   * Makes a request the only one at it, until what it gives is called.
   * @throws RegistryError BLOB_UPLOAD_INVALID, status 409, while there is another; the signal's reason
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    await this.settled(signal);
    if (this.#request) throw busyUpload(this.id);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#request = { signal, ended: promise };
    return () => {
      this.#request = undefined;
      resolve();
    };
  }

  /** Waits for a request whose client has left, while what it sent is written: then it is known how much there is. */
  async settled(signal: AbortSignal): Promise<void> {
    while (this.#request?.signal.aborted) await unlessAborted(this.#request.ended, signal);
    signal.throwIfAborted();
  }
}
