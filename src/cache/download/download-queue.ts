import { RegistryError } from '../../oci/errors.ts';
import { type Leave, Places } from '../../util/locks/places.ts';
import type { Clock } from '../../util/time/clock.ts';

/** Whoever waits for a download has no head of an answer yet: containerd gives up on that after 30 s. */
export const maxWaitMs = 20_000;

const retryAfterSeconds = 5; // in which some of so many downloads end

/** Lets so many downloads go on at a time, that memory stays bounded; more wait, and who came first goes first. */
export class DownloadQueue {
  readonly #places: Places;

  constructor(maxCount: number, clock: Clock) {
    this.#places = new Places(maxCount, { clock, maxWaitMs, tooLate: () => tooMany(maxCount) });
  }

  /** How many wait. */
  get waiting(): number {
    return this.#places.waiting;
  }

  /**
   * Waits for its turn, and gives the function that ends it.
   * @throws the signal's reason, RegistryError UNAVAILABLE when it waits for too long
   */
  enter(signal: AbortSignal): Promise<Leave> {
    return this.#places.take(signal);
  }
}

function tooMany(maxCount: number): RegistryError {
  return new RegistryError(
    'UNAVAILABLE',
    `Cannot begin this download: ${maxCount} others are under way (cache.maxDownloads), try again soon`,
    { status: 503, headers: { 'retry-after': `${retryAfterSeconds}` } },
  );
}
