import { type Digest, type DigestAlgorithm, digestOf } from '../../oci/digest.ts';
import type { Hashing, RunningHash } from '../tools.ts';

// Up to here it takes less to hash bytes here than to tell a thread of them. It is kept for each upload that was begun, of
// which there may be a thousand.
const maxKeptBytes = 32 * 1024;

/** A hash that goes to a thread only with what is worth it: most configurations and manifests, and many layers, are small. */
export class LazyHash implements RunningHash {
  readonly #hasher: Hashing;
  readonly #algorithm: DigestAlgorithm;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #thread: RunningHash | undefined;

  constructor(hasher: Hashing, algorithm: DigestAlgorithm) {
    this.#hasher = hasher;
    this.#algorithm = algorithm;
  }

  async update(bytes: Uint8Array): Promise<void> {
    if (!this.#thread && this.#keptBytes + bytes.length <= maxKeptBytes) {
      this.#kept.push(Uint8Array.from(bytes));
      this.#keptBytes += bytes.length;
      return;
    }
    if (!this.#thread) {
      this.#thread = this.#hasher.begin(this.#algorithm);
      const kept = this.#kept;
      this.#kept = [];
      for (const piece of kept) await this.#thread.update(piece);
    }
    await this.#thread.update(bytes);
  }

  async end(): Promise<Digest> {
    return this.#thread ? this.#thread.end() : digestOf(Buffer.concat(this.#kept), this.#algorithm);
  }

  drop(): void {
    this.#kept = [];
    this.#thread?.drop();
  }
}
