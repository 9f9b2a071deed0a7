import { type Digest, type DigestAlgorithm, digestOf } from '../../oci/digest.ts';
import type { OpenUpload } from '../../store/upload-store.ts';
import type { Hashing, RunningHash } from '../tools.ts';
import { LazyHash } from './lazy-hash.ts';
import type { UploadBuffers } from './upload-buffers.ts';

/**
 * The digest of an upload. A hash runs along with its bytes; where that was not from the first byte on (after a restart),
 * or something went wrong, or another algorithm is wanted at the end, the file is read again.
 */
export class UploadDigest {
  readonly #hasher: Hashing;
  #running: RunningHash | undefined;
  /** The algorithm of the hash that runs along, or would. */
  #algorithm: DigestAlgorithm;
  #hashedBytes = 0;

  constructor(hasher: Hashing, algorithm: DigestAlgorithm) {
    this.#hasher = hasher;
    this.#algorithm = algorithm;
  }

  /** Says what is wanted at the end: it counts when nothing has come yet. */
  expect(algorithm: DigestAlgorithm): void {
    if (this.#running === undefined) this.#algorithm = algorithm;
  }

  /** Hashes bytes, in shared memory, that come at a position. They may change when it settles; it never rejects. */
  async update(bytes: Uint8Array, position: number): Promise<void> {
    if (position === 0 && !this.#running) {
      this.#running = new LazyHash(this.#hasher, this.#algorithm);
      this.#hashedBytes = 0;
    }
    if (position !== this.#hashedBytes) this.drop();
    this.#hashedBytes += bytes.length;
    await this.#running?.update(bytes).catch(() => this.drop());
  }

  /** Ends the hash that runs along: what it has is not what the file has. */
  drop(): void {
    this.#running?.drop();
    this.#running = undefined;
  }

  /**
   * The digest of all that the upload has.
   * @throws the signal's reason, what the file cannot be read with
   */
  async end(
    algorithm: DigestAlgorithm,
    upload: OpenUpload,
    buffers: UploadBuffers,
    signal: AbortSignal,
  ): Promise<Digest> {
    if (upload.sizeBytes === 0) return digestOf(new Uint8Array(), algorithm);
    if (!this.#running || this.#hashedBytes !== upload.sizeBytes || this.#algorithm !== algorithm) {
      this.drop();
      return hashAgain(this.#hasher.begin(algorithm), upload, buffers, signal);
    }
    const running = this.#running;
    this.#running = undefined;
    try {
      return await running.end();
    } catch {
      return hashAgain(this.#hasher.begin(algorithm), upload, buffers, signal); // its thread has ended
    }
  }
}

/** While one piece is hashed, the next is read. */
async function hashAgain(
  hash: RunningHash,
  upload: OpenUpload,
  pool: UploadBuffers,
  signal: AbortSignal,
): Promise<Digest> {
  const buffers = [pool.take(), pool.take()] as const;
  let hashed: Promise<void> = Promise.resolve();
  let isEnded = false;
  try {
    for (let position = 0, turn = 0; position < upload.sizeBytes; turn = 1 - turn) {
      signal.throwIfAborted();
      const buffer = buffers[turn]!;
      const count = await upload.read(buffer, position);
      if (count === 0) throw new Error(`Cannot hash an upload: it ends at byte ${position} of ${upload.sizeBytes}`);
      await hashed;
      hashed = hash.update(buffer.subarray(0, count));
      hashed.catch(() => {}); // it is awaited when the next piece has been read
      position += count;
    }
    await hashed;
    isEnded = true;
    return await hash.end();
  } finally {
    if (!isEnded) hash.drop();
    await hashed.catch(() => {}); // until then it reads the buffer
    for (const buffer of buffers) pool.give(buffer);
  }
}
