import { RegistryError } from '../../oci/errors.ts';
import type { Clock } from '../../util/clock.ts';

/** Whoever waits for a download has no head of an answer yet: containerd gives up on that after 30 s. */
export const maxWaitMs = 20_000;

const retryAfterSeconds = 5; // in which some of so many downloads end

/** Lets so many downloads go on at a time, that memory stays bounded; more wait, and who came first goes first. */
export class DownloadQueue {
  readonly #maxCount: number;
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #runningCount = 0;

  constructor(maxCount: number, clock: Clock) {
    this.#maxCount = maxCount;
    this.#clock = clock;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Waits for its turn, and gives the function that ends it, which is called once.
   * @throws the signal's reason, RegistryError UNAVAILABLE when it waits for too long
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#runningCount < this.#maxCount) this.#runningCount++;
    else await this.#turn(signal);
    return () => this.#leave();
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next) next();
    else this.#runningCount--;
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = new AbortController();
      const admit = () => {
        this.#waiting.delete(admit);
        over.abort();
        resolve();
      };
      const giveUp = (reason: unknown) => {
        if (!this.#waiting.delete(admit)) return; // it had its turn in the same moment
        over.abort();
        reject(reason);
      };
      this.#waiting.add(admit);
      signal.addEventListener('abort', () => giveUp(signal.reason), { once: true, signal: over.signal });
      this.#clock.sleep(maxWaitMs, over.signal).then(
        () => giveUp(tooMany(this.#maxCount)),
        () => {},
      );
    });
  }
}

function tooMany(maxCount: number): RegistryError {
  return new RegistryError(
    'UNAVAILABLE',
    `Cannot begin this download: ${maxCount} others are under way (cache.maxDownloads), try again soon`,
    { status: 503, headers: { 'retry-after': `${retryAfterSeconds}` } },
  );
}
