import { singleFlight } from '../../util/locks/single-flight.ts';
import { type Clock, isWithin } from '../../util/time/clock.ts';
import { failurePauseMs } from './credential-tools.ts';

/** Something that was got from outside, and how long it is good for. */
export interface Fresh<T> {
  readonly value: T;
  /** Undefined when nobody says: it is then renewed every few minutes, and used on while that fails. */
  readonly lifeMs: number | undefined;
}

/** What a renewed value is made with. */
export interface RenewedValueOptions<T> {
  readonly clock: Clock;
  /** Gets a new one; it has a time limit of its own. */
  readonly load: (signal: AbortSignal) => Promise<Fresh<T>>;
  /** Fires when nothing is to be renewed any more. */
  readonly stopping: AbortSignal;
}

/** For a value whose life is unknown: tokens of clouds live for an hour or more, and asking costs a process. */
const assumedLifeMs = 5 * 60_000;
/** Renewal begins while a fifth of the life is left, at most this long before its end: enough for several tries. */
const maxEarlyMs = 5 * 60_000;
/** Whoever says that a value ends at once would have it renewed for every request. */
const minLifeMs = 10_000;
/** A value that upstream refuses is got anew only when it is older: who is refused for good would have it got each time. */
const minAgeMs = 30_000;

interface Held<T> {
  readonly value: T;
  readonly loadedAtMs: number;
  /** From here on it is renewed while it is still used. */
  readonly renewAtMs: number;
  /** From here on those who want it wait for a newer one. */
  readonly waitAtMs: number;
  /** From here on it is not used, even when no newer one can be had. */
  readonly endsAtMs: number;
}

/** A value that is got once for any number of waiters, and renewed behind their backs before it ends. */
export class RenewedValue<T> {
  readonly #options: RenewedValueOptions<T>;
  readonly #loading = singleFlight<T>();
  #held: Held<T> | undefined;
  #failure: { readonly error: unknown; readonly sinceMs: number } | undefined;

  constructor(options: RenewedValueOptions<T>) {
    this.#options = options;
  }

  /**
   * The value: the same as before until it was renewed.
   * @throws whatever loading threw, when there is none that could still be used; the signal's reason
   */
  async get(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const held = this.#held;
    const nowMs = this.#options.clock.now();
    if (held && nowMs < held.waitAtMs) {
      if (nowMs >= held.renewAtMs) this.#renewBehind();
      return held.value;
    }
    try {
      return await this.#renew(signal);
    } catch (error) {
      signal.throwIfAborted();
      if (held && this.#options.clock.now() < held.endsAtMs) return held.value;
      throw error;
    }
  }

  /** Somebody refused this value: the next who asks waits for a newer one, unless it is new, or not held any more. */
  refused(value: T): void {
    const held = this.#held;
    if (held?.value !== value) return;
    const ageMs = this.#options.clock.now() - held.loadedAtMs;
    if (ageMs >= 0 && ageMs < minAgeMs) return;
    this.#held = { ...held, waitAtMs: Number.NEGATIVE_INFINITY };
  }

  #renewBehind(): void {
    // Whoever needs the result will ask for it, and get the failure.
    this.#renew(this.#options.stopping).catch(() => {});
  }

  // After a failure, nobody tries again for a while: many may ask, and a program that fails will fail again.
  async #renew(signal: AbortSignal): Promise<T> {
    const failure = this.#failure;
    if (failure && isWithin(failure.sinceMs, failurePauseMs, this.#options.clock.now())) throw failure.error;
    return this.#loading.run('', signal, (shared) => this.#load(shared));
  }

  async #load(signal: AbortSignal): Promise<T> {
    const { clock, load } = this.#options;
    const loadedAtMs = clock.now();
    try {
      const { value, lifeMs } = await load(signal);
      this.#held = { value, loadedAtMs, ...timesOf(loadedAtMs, lifeMs) };
      this.#failure = undefined;
      return value;
    } catch (error) {
      if (!signal.aborted) this.#failure = { error, sinceMs: clock.now() };
      throw error;
    }
  }
}

function timesOf(
  loadedAtMs: number,
  lifeMs: number | undefined,
): Pick<Held<unknown>, 'renewAtMs' | 'waitAtMs' | 'endsAtMs'> {
  const usedMs = Math.max(lifeMs ?? assumedLifeMs, minLifeMs);
  const waitAtMs = loadedAtMs + usedMs;
  return {
    renewAtMs: waitAtMs - Math.min(usedMs / 5, maxEarlyMs),
    waitAtMs,
    endsAtMs: lifeMs === undefined ? Number.POSITIVE_INFINITY : waitAtMs,
  };
}
