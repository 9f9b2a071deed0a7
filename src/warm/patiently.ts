import { isTemporary, type RegistryError } from '../oci/errors.ts';
import type { Clock } from '../util/time/clock.ts';

const tries = 4; // the cache itself has tried again by then
const longestWaitMs = 60_000;
const firstWaitMs = 2_000;

/**
 * Does something again that failed for a reason that passes, after as long as the answer says; when that is too long, not.
 * @throws what it failed with at last, the signal's reason
 */
export async function patiently<T>(clock: Clock, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let done = 1; ; done++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (done === tries || !isTemporary(error)) throw error;
      const delayMs = waitMs(error as RegistryError, done);
      // Until then every other try would be for nothing, and count against whoever has to wait.
      if (delayMs > longestWaitMs) throw error;
      await clock.sleep(delayMs, signal);
    }
  }
}

function waitMs({ headers }: RegistryError, done: number): number {
  const asked = Number(headers['retry-after']) * 1000;
  return asked > 0 ? asked : firstWaitMs * 2 ** (done - 1);
}
