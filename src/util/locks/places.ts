import type { Clock } from '../time/clock.ts';

/** Gives a place back; only the first call counts. */
export type Leave = () => void;

/** How long whoever finds no place waits in line; without it, for as long as it likes. */
export interface LineLimit {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly maxWaitMs: number;
  /** What whoever waited for so long is told. */
  tooLate(): Error;
}

/** A number of places, of which each serves one at a time. Who finds none free waits in line, in the order of coming. */
export class Places {
  #free: number;
  readonly #limit: LineLimit | undefined;
  // In the order in which they came, and quick to leave from its middle.
  readonly #line = new Set<() => void>();

  constructor(count: number, limit?: LineLimit) {
    this.#free = count;
    this.#limit = limit;
  }

  /** How many wait in line. */
  get waiting(): number {
    return this.#line.size;
  }

  /** A place that is free now; undefined when there is none. */
  tryTake(): Leave | undefined {
    if (this.#free === 0) return undefined;
    this.#free--;
    return this.#leave();
  }

  /**
   * A place, as soon as there is one. Who leaves the line early lets those behind move up.
   * @throws the signal's reason, what the limit tells
   */
  async take(signal: AbortSignal): Promise<Leave> {
    signal.throwIfAborted();
    return this.tryTake() ?? this.#wait(signal);
  }

  #wait(signal: AbortSignal): Promise<Leave> {
    return new Promise((resolve, reject) => {
      const over = new AbortController();
      const enter = () => {
        this.#line.delete(enter);
        over.abort();
        resolve(this.#leave());
      };
      const giveUp = (reason: unknown) => {
        if (!this.#line.delete(enter)) return; // it was its turn in the same moment
        over.abort();
        reject(reason);
      };
      this.#line.add(enter);
      signal.addEventListener('abort', () => giveUp(signal.reason), { once: true, signal: over.signal });
      const limit = this.#limit;
      limit?.clock.sleep(limit.maxWaitMs, over.signal).then(
        () => giveUp(limit.tooLate()),
        () => {}, // it had its turn, or left
      );
    });
  }

  #leave(): Leave {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const [next] = this.#line;
      if (next) next();
      else this.#free++;
    };
  }
}
