import type { Digest, DigestAlgorithm } from '../../../oci/digest.ts';
import type { StoredBlob } from '../../../store/blob-store.ts';
import type { Hasher } from '../../download/hasher.ts';

/** Waits until so many bytes may be read. */
export type Pace = (bytes: number, signal: AbortSignal) => Promise<void>;

/** Hashes stored blobs, one after the other: while one buffer is hashed, in a thread, the other is read into. */
export class StoredHash {
  readonly #hasher: Hasher;
  readonly #pace: Pace;
  readonly #buffers: readonly [Buffer, Buffer];

  /** @param bufferBytes the size of each of the two buffers, which are all the memory that it takes */
  constructor(hasher: Hasher, bufferBytes: number, pace: Pace) {
    this.#hasher = hasher;
    this.#pace = pace;
    const makeBuffer = () => Buffer.from(new SharedArrayBuffer(bufferBytes)); // which a thread reads without a copy
    this.#buffers = [makeBuffer(), makeBuffer()];
  }

  /**
   * The digest of a blob's bytes.
   * @throws what reading failed with, the signal's reason
   */
  async digest(blob: StoredBlob, algorithm: DigestAlgorithm, signal: AbortSignal): Promise<Digest> {
    const hash = this.#hasher.begin(algorithm);
    const taken: [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()];
    let ended = false;
    try {
      let turn: 0 | 1 = 0;
      for (let position = 0; position < blob.sizeBytes; turn = turn === 0 ? 1 : 0) {
        await taken[turn];
        const buffer = this.#buffers[turn];
        await this.#pace(Math.min(buffer.length, blob.sizeBytes - position), signal);
        signal.throwIfAborted();
        const count = await blob.read(buffer, position);
        if (count === 0) break; // it was cut while it was read: the digest tells
        taken[turn] = hash.update(buffer.subarray(0, count));
        taken[turn].catch(() => {}); // awaited when the buffer's turn comes, or at the end
        position += count;
      }
      ended = true;
      return await hash.end();
    } finally {
      if (!ended) hash.drop();
      await Promise.allSettled(taken); // the next blob is read into the same buffers
    }
  }
}
