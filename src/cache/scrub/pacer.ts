import type { Clock } from '../../util/time/clock.ts';
import type { Pace } from './check/stored-hash.ts';

/** Makes a pace of so many bytes per second: whoever reads waits until the time is over that the read before costs. */
export function paceOf(bytesPerSecond: number, clock: Clock): Pace {
  let costMs = 0;
  let freeAtMs = Number.NEGATIVE_INFINITY;
  return async (bytes, signal) => {
    // No longer than that read costs, though the clock was set back meanwhile.
    const waitMs = Math.min(freeAtMs - clock.now(), costMs);
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    costMs = (bytes * 1000) / bytesPerSecond;
    freeAtMs = clock.now() + costMs;
  };
}
