import { RegistryError } from '../../oci/errors.ts';
import { type Leave, Places } from '../../util/locks/places.ts';
import type { Clock } from '../../util/time/clock.ts';

/** How many requests one upstream gets at a time. */
export interface RequestLimitOptions {
  /** The name of the upstream: for errors. */
  readonly upstream: string;
  readonly maxConcurrent: number;
  readonly clock: Clock;
}

/** Clients wait 30 s for the head of an answer: who has found no place by then is told so, while it still listens. */
const maxWaitMs = 20_000;

/** Keeps the requests to an upstream, until the last byte of their answers, to a number. The rest wait in line. */
export class RequestLimit {
  readonly #places: Places;

  constructor(options: RequestLimitOptions) {
    const { maxConcurrent, clock } = options;
    this.#places = new Places(maxConcurrent, { clock, maxWaitMs, tooLate: () => busy(options) });
  }

  /** How many requests wait in line. */
  get waiting(): number {
    return this.#places.waiting;
  }

  /**
   * Waits for a place; the caller leaves it when its request is over.
   * @throws RegistryError UNAVAILABLE when none comes free in time; the signal's reason
   */
  enter(signal: AbortSignal): Promise<Leave> {
    return this.#places.take(signal);
  }
}

// Upstream was not asked, so it is not to blame, and whoever has time may get in line again at once.
function busy({ upstream, maxConcurrent, clock }: RequestLimitOptions): RegistryError {
  const message =
    `Cannot ask upstream ${upstream}: as many requests are under way as its maxConcurrent allows (${maxConcurrent}), ` +
    `and this one's turn did not come within ${maxWaitMs / 1000} s`;
  return new RegistryError('UNAVAILABLE', message, { status: 503, notAskedUntilMs: clock.now() });
}
