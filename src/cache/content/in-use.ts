import type { Digest } from '../../oci/digest.ts';

/** Which content is being read from the disk, or downloaded: it is not removed meanwhile to make room. */
export class ContentInUse {
  readonly #counts = new Map<Digest, number>();

  /** Notes a use, until what it gives is called; calling that again does nothing. */
  take(digest: Digest): () => void {
    this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      const left = (this.#counts.get(digest) ?? 0) - 1;
      if (left > 0) this.#counts.set(digest, left);
      else this.#counts.delete(digest);
    };
  }

  /** Whether anybody uses it. */
  has(digest: Digest): boolean {
    return this.#counts.has(digest);
  }
}
