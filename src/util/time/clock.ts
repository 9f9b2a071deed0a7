/** The time, and waiting for it: handed in everywhere, so that a test decides when it is. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after a time; rejects with the signal's reason when that fires first. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

/**
 * Whether something that was noted at a time is less than so long ago. What lies in the future was noted before the
 * clock was set back: how long ago that was nobody knows, so it counts as over.
 */
export function isWithin(notedAtMs: number, lengthMs: number, nowMs: number): boolean {
  return nowMs >= notedAtMs && nowMs < notedAtMs + lengthMs;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: Date.now,
  sleep: (delayMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const stop = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', stop);
        resolve();
      }, delayMs);
      signal.addEventListener('abort', stop, { once: true });
    }),
};
