/** Runs work once for any number of callers that ask for the same thing at the same time. */
export interface SingleFlight<T> {
  /**
   * Joins the work that is under way for the key, or starts it. A caller whose signal fires leaves with its reason; the
   * work ends only when all have left, by the signal that it was given.
   */
  run(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Resolves when no work is under way, also of what everybody has left. */
  settled(): Promise<void>;
}

interface Flight<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

/** Makes a single flight with a map of its own. */
export function singleFlight<T>(): SingleFlight<T> {
  const flights = new Map<string, Flight<T>>();
  const running = new Set<Promise<T>>();

  function start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const flight: Flight<T> = {
      controller,
      waiting: 0,
      result: work(controller.signal).finally(() => {
        if (flights.get(key) === flight) flights.delete(key);
      }),
    };
    running.add(flight.result);
    const landed = () => running.delete(flight.result);
    flight.result.then(landed, landed); // those who wait get it; when all have left, nobody does
    flights.set(key, flight);
    return flight;
  }

  return {
    async settled() {
      while (running.size > 0) await Promise.allSettled(running);
    },
    async run(key, signal, work) {
      signal.throwIfAborted();
      const flight = flights.get(key) ?? start(key, work);
      flight.waiting++;
      try {
        return await unlessAborted(flight.result, signal);
      } finally {
        if (--flight.waiting === 0 && signal.aborted) {
          if (flights.get(key) === flight) flights.delete(key);
          flight.controller.abort(signal.reason);
        }
      }
    },
  };
}

/** The promise's outcome, or the signal's reason when it fires first. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
