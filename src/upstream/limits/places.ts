/** Gives a place back; only the first call counts. */
export type Leave = () => void;

interface Waiter {
  /** Takes the place that was given back. */
  enter(): void;
}

/** A number of places, of which each serves one at a time. Who finds none free waits in line. */
export class Places {
  #free: number;
  // In the order in which they came, and quick to leave from its middle.
  readonly #line = new Set<Waiter>();

  constructor(count: number) {
    this.#free = count;
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
   * @throws the signal's reason
   */
  take(signal: AbortSignal): Promise<Leave> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const free = this.tryTake();
      if (free) return resolve(free);
      const giveUp = () => {
        this.#line.delete(waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        enter: () => {
          signal.removeEventListener('abort', giveUp);
          resolve(this.#leave());
        },
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.#line.add(waiter);
    });
  }

  #leave(): Leave {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const [next] = this.#line;
      if (next) {
        this.#line.delete(next);
        next.enter();
      } else this.#free++;
    };
  }
}
