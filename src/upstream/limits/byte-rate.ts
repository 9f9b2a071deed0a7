import { Places } from '../../util/locks/places.ts';
import type { Clock } from '../../util/time/clock.ts';

/** Who comes less than this early goes on at once, so that a fast rate does not cost a timer for each chunk. */
const maxEarlyMs = 20;
/** What an idle rate saves up: enough to make good for timers that fire late, too little to be seen as a burst. */
const maxSavedMs = 100;

/** Keeps bytes to a rate, over all who take them. Those who must wait do so in the order in which they came. */
export class ByteRate {
  readonly #bytesPerMs: number;
  readonly #clock: Clock;
  readonly #turn = new Places(1);
  /** When all that was taken would have come, had it come at the rate. */
  #paidAtMs = Number.NEGATIVE_INFINITY;
  #lastMs = 0;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#clock = clock;
  }

  /**
   * Takes bytes: resolves when all that was taken before is paid for. These bytes themselves are waited for by the next,
   * so a rate does not delay first bytes.
   * @throws the signal's reason, in which case nothing is taken
   */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const leave = this.#turn.tryTake() ?? (await this.#turn.take(signal));
    try {
      const earlyMs = this.#earlyMs();
      if (earlyMs > maxEarlyMs) await this.#clock.sleep(earlyMs, signal);
      this.#lastMs = bytes / this.#bytesPerMs;
      this.#paidAtMs = Math.max(this.#paidAtMs, this.#clock.now() - maxSavedMs) + this.#lastMs;
    } finally {
      leave();
    }
  }

  #earlyMs(): number {
    const nowMs = this.#clock.now();
    // Nobody can be earlier than this, unless the clock was set back.
    this.#paidAtMs = Math.min(this.#paidAtMs, nowMs + maxEarlyMs + this.#lastMs);
    return this.#paidAtMs - nowMs;
  }
}
