import type { Digest } from '../../oci/digest.ts';

/**
 * Blobs whose files have got their names, which need not be durable yet: the index has them already, as both become
 * durable beside each other. Who pushed one is told afterwards; so is, by this, whoever else would be told that it is here.
 * Of what other processes place nothing is known.
 */
export class Placing {
  readonly #underWay = new Map<Digest, Promise<void>>();

  /** Places a blob, after others of its digest: what becomes of one is known before the next begins. */
  async run(digest: Digest, place: () => Promise<void>): Promise<void> {
    const before = this.#underWay.get(digest);
    const placed = before === undefined ? place() : before.then(place);
    const settled = placed
      .catch(() => {}) // it is told to whoever places it
      .then(() => {
        if (this.#underWay.get(digest) === settled) this.#underWay.delete(digest);
      });
    this.#underWay.set(digest, settled);
    await placed;
  }

  /** Resolves when what was under way for a digest is over, whatever came of it; undefined when there is nothing. */
  settled(digest: Digest): Promise<void> | undefined {
    return this.#underWay.get(digest);
  }
}
