import type { MetadataIndex } from '../../../index/metadata-index.ts';
import type { Room } from '../space.ts';

/**
 * Counts the room that was taken for what is not in the index yet. What is stored and what room was taken for is never
 * more than the size of the cache.
 */
export class Rooms {
  readonly #index: Pick<MetadataIndex, 'totals'>;
  readonly #maxBytes: number;
  readonly #released: () => void;
  #takenBytes = 0;
  #releases = 0;

  /** @param released is told when room was released, as the content is in the index now, or never will be */
  constructor(index: Pick<MetadataIndex, 'totals'>, maxBytes: number, released: () => void) {
    this.#index = index;
    this.#maxBytes = maxBytes;
    this.#released = released;
  }

  /** For how much room was taken. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Takes room; undefined when there is none. */
  async take(sizeBytes: number): Promise<Room | undefined> {
    for (;;) {
      const releases = this.#releases;
      const stored = await this.#index.totals();
      if (releases !== this.#releases) continue; // what was released meanwhile may be in neither of the two counts
      if (stored.sizeBytes + this.#takenBytes + sizeBytes > this.#maxBytes) return undefined;
      this.#takenBytes += sizeBytes;
      return { release: () => this.#release(sizeBytes) };
    }
  }

  #release(sizeBytes: number): void {
    this.#takenBytes -= sizeBytes;
    this.#releases++;
    this.#released();
  }
}
