import type { Digest } from '../../oci/digest.ts';

/** Content up to this size is kept in memory: manifests and image configurations, the most asked for and the smallest. */
export const maxRememberedBytes = 64 * 1024;
const defaultLimitBytes = 32 * 1024 * 1024; // several thousand images' worth

/** Small content by digest, the least recently used going first. It holds a bounded number of bytes. */
export class ContentMemory {
  readonly #contents = new Map<Digest, Uint8Array>();
  readonly #limitBytes: number;
  #totalBytes = 0;

  constructor(limitBytes = defaultLimitBytes) {
    this.#limitBytes = limitBytes;
  }

  /** The content; undefined when it is not held. */
  get(digest: Digest): Uint8Array | undefined {
    const bytes = this.#contents.get(digest);
    if (bytes === undefined) return undefined;
    this.#contents.delete(digest); // a map keeps the order of insertion: last is the most recently used
    this.#contents.set(digest, bytes);
    return bytes;
  }

  /** Holds content, if it is small; what it is must have been verified. The bytes are not to be changed. */
  put(digest: Digest, bytes: Uint8Array): void {
    if (bytes.length > maxRememberedBytes || this.#contents.has(digest)) return;
    this.#contents.set(digest, bytes);
    this.#totalBytes += bytes.length;
    for (const [oldest, { length }] of this.#contents) {
      if (this.#totalBytes <= this.#limitBytes) break;
      this.#contents.delete(oldest);
      this.#totalBytes -= length;
    }
  }

  /** Forgets content. */
  remove(digest: Digest): void {
    this.#totalBytes -= this.#contents.get(digest)?.length ?? 0;
    this.#contents.delete(digest);
  }
  /** Forgets all content. */
  clear(): void {
    this.#totalBytes = 0;
    this.#contents.clear();
  }
}
