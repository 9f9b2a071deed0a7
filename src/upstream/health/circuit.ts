import type { CircuitState } from '../../util/status.ts';
import { backoffMs } from '../../util/time/backoff.ts';
import { type Clock, isWithin } from '../../util/time/clock.ts';

/** When an upstream is left alone, and for how long. */
export interface CircuitPolicy {
  /** So many failures in a row open it: one or two are a passing trouble, which retries have met already. */
  readonly failuresToOpen: number;
  /** The first rest, in milliseconds; it doubles with every probe that fails. */
  readonly firstRestMs: number;
  readonly maxRestMs: number;
}

/** A minute at most, so that an upstream that is back is found out soon. */
export const defaultCircuitPolicy: CircuitPolicy = { failuresToOpen: 5, firstRestMs: 1_000, maxRestMs: 60_000 };

/** A request that was let through. Exactly one of these is called when it is over; a second call changes nothing. */
export interface Passage {
  succeeded(): void;
  /** @param weight `all` when it was tried for so long that it says as much as many failures */
  failed(weight: 'one' | 'all'): void;
  /** Whoever asked has left: nobody knows how it would have ended. */
  abandoned(): void;
}

/** What a circuit needs from outside. */
export interface CircuitTools {
  readonly clock: Clock;
  /** From 0 to 1: spreads the ends of the rests. */
  readonly random: () => number;
  readonly policy: CircuitPolicy;
  /** Is told when it opens after having been closed, and when it closes; not of what is between. */
  readonly changed: (isOpen: boolean) => void;
}

/**
 * Leaves an upstream alone that fails again and again:
 * 1. closed: requests pass, and failures in a row are counted;
 * 2. open: none passes until the rest is over;
 * 3. probing: one passes, the others do not. When it fails, the next rest is twice as long; success closes.
 *
 * What was let through before it opened may end later: a success says that upstream is well, a failure nothing new.
 */
export class Circuit {
  readonly #tools: CircuitTools;
  #failures = 0;
  /** How many rests there were since it was closed last; 0 while it is closed. */
  #rests = 0;
  #restsSinceMs = 0;
  #restMs = 0;
  #probe: symbol | undefined;

  constructor(tools: CircuitTools) {
    this.#tools = tools;
  }

  get state(): CircuitState {
    if (this.#rests === 0) return 'closed';
    return this.#probe === undefined ? 'open' : 'probing';
  }

  /** How many requests have failed since the last that did not. */
  get failures(): number {
    return this.#failures;
  }

  /** When the rest is over, or was; 0 while it is closed. */
  get restUntilMs(): number {
    return this.#rests === 0 ? 0 : this.#restsSinceMs + this.#restMs;
  }

  /** Whether a request would be let through now. */
  get mayEnter(): boolean {
    if (this.#rests === 0) return true;
    return this.#probe === undefined && !isWithin(this.#restsSinceMs, this.#restMs, this.#tools.clock.now());
  }

  /** Lets a request through; undefined when it may not pass now. */
  enter(): Passage | undefined {
    if (!this.mayEnter) return undefined;
    const id = Symbol('passage');
    if (this.#rests > 0) this.#probe = id;
    let isOver = false;
    const once = (end: () => void) => {
      if (!isOver) end();
      isOver = true;
    };
    return {
      succeeded: () => once(() => this.#succeeded()),
      failed: (weight) => once(() => this.#failed(id, weight)),
      abandoned: () => once(() => this.#leave(id)),
    };
  }

  #succeeded(): void {
    this.#failures = 0;
    if (this.#rests === 0) return;
    this.#rests = 0;
    this.#probe = undefined;
    this.#tools.changed(false);
  }

  #failed(id: symbol, weight: 'one' | 'all'): void {
    const wasClosed = this.#rests === 0;
    const wasProbe = this.#leave(id);
    this.#failures++;
    if (wasClosed ? weight === 'all' || this.#failures >= this.#tools.policy.failuresToOpen : wasProbe) this.#rest();
    if (wasClosed && this.#rests > 0) this.#tools.changed(true);
  }

  #rest(): void {
    const { clock, policy, random } = this.#tools;
    this.#rests++;
    this.#restsSinceMs = clock.now();
    this.#restMs = Math.ceil(backoffMs(this.#rests, policy.firstRestMs, policy.maxRestMs, random()));
  }

  /** Makes room for the next probe, if this was one. */
  #leave(id: symbol): boolean {
    if (this.#probe !== id) return false;
    this.#probe = undefined;
    return true;
  }
}
