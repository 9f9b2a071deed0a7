import { clientPlace } from '../../util/client-place.ts';
import type { Clock } from '../../util/time/clock.ts';
import { tooManyLogins } from './password-checker.ts';

// Whoever mistypes is not slowed; after that each failure doubles the wait.
const freeFailures = 3;
const firstDelayMs = 500;
// So six guesses in a minute, which is none to speak of; and somebody who has a right password is not kept out for long.
const maxDelayMs = 10_000;
// Of the 30 s that clients wait for a head, the rest is for the answer itself.
const maxWaitMs = 20_000;
// One failure is forgotten in so much time; no more than twenty are remembered.
const forgetMs = 60_000;
const maxFailures = 20;
// Of each kind, at some hundred bytes each. The one that failed longest ago goes first.
const maxKeys = 10_000;
// A name may be as long as a header; no user's is longer than this, so longer ones can share what is remembered.
const maxNameLength = 255;

interface Failures {
  /** As of `atMs`: they get fewer with time. */
  count: number;
  atMs: number;
  /** The turn of the last login that waited. */
  turnMs: number;
}

type FailuresByKey = Map<string, Failures>;

/** A login that is being checked. */
export interface LoginAttempt {
  failed(): void;
  succeeded(): void;
}

/**
 * Slows down logins after failed ones. Every login from an address waits for those that failed from there, and every
 * login as a user for those that failed as that user, wherever from; but somebody who was let in from that address as
 * that user before waits only for what failed there as that user. So guessing is slow, from one place or many, and yet
 * keeps nobody out who is known. The wait comes before the password is looked at, lest a guess be given up when its
 * answer takes time; and those that come at the same time wait one after the other. A success makes nothing forgotten,
 * as otherwise who has one password could guess at others.
 */
export class LoginDelays {
  readonly #clock: Clock;
  readonly #byPlace: FailuresByKey = new Map();
  readonly #byUser: FailuresByKey = new Map();
  /** Of users at places that they were let in from. */
  readonly #byKnown: FailuresByKey = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many addresses, users and pairs of them are remembered. */
  get size(): number {
    return this.#byPlace.size + this.#byUser.size + this.#byKnown.size;
  }

  /**
   * Waits until a login may be checked.
   * @throws RegistryError TOOMANYREQUESTS when that would take too long; the signal's reason
   */
  async begin(user: string, address: string, signal: AbortSignal): Promise<LoginAttempt> {
    const place = clientPlace(address);
    const name = shortened(user);
    const known = `${place} ${name}`;
    const counted: readonly (readonly [FailuresByKey, string])[] = this.#byKnown.has(known)
      ? [[this.#byKnown, known]]
      : [
          [this.#byPlace, place],
          [this.#byUser, name],
        ];
    await this.#wait(
      counted.flatMap(([map, key]) => map.get(key) ?? []),
      signal,
    );
    return {
      failed: () => {
        for (const [map, key] of counted) this.#fail(map, key);
      },
      succeeded: () => this.#put(this.#byKnown, known, this.#byKnown.get(known) ?? this.#none()),
    };
  }

  async #wait(counted: readonly Failures[], signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.now();
    const slowed = counted.filter((failures) => delayOf(failures, nowMs) > 0);
    if (slowed.length === 0) return;
    const turnMs = Math.max(...slowed.map((failures) => turnOf(failures, nowMs)));
    const waitMs = turnMs - nowMs;
    if (waitMs > maxWaitMs) throw tooManyLogins(Math.ceil(waitMs / 1000));
    for (const failures of slowed) failures.turnMs = turnMs;
    await this.#clock.sleep(waitMs, signal);
  }

  #fail(map: FailuresByKey, key: string): void {
    const nowMs = this.#clock.now();
    const failures = map.get(key) ?? this.#none();
    failures.count = Math.min(maxFailures, countOf(failures, nowMs) + 1);
    failures.atMs = nowMs;
    this.#put(map, key, failures);
  }

  #none(): Failures {
    return { count: 0, atMs: this.#clock.now(), turnMs: 0 };
  }

  /** Makes it the youngest; the oldest goes when there are too many. */
  #put(map: FailuresByKey, key: string, failures: Failures): void {
    map.delete(key);
    map.set(key, failures);
    if (map.size > maxKeys) map.delete(map.keys().next().value!);
  }
}

/** A copy of its own: a part of a string keeps all of the string in memory. */
function shortened(name: string): string {
  return name.length <= maxNameLength ? name : Buffer.from(name.slice(0, maxNameLength)).toString();
}

/** When the next login may be checked. A turn further away than any wait was given before the clock was set back. */
function turnOf(failures: Failures, nowMs: number): number {
  const lastMs = failures.turnMs > nowMs + maxWaitMs ? nowMs : Math.max(nowMs, failures.turnMs);
  return lastMs + delayOf(failures, nowMs);
}

function delayOf(failures: Failures, nowMs: number): number {
  const beyond = countOf(failures, nowMs) - freeFailures;
  return beyond < 0 ? 0 : Math.min(maxDelayMs, firstDelayMs * 2 ** beyond);
}

function countOf({ count, atMs }: Failures, nowMs: number): number {
  return Math.max(0, count - Math.floor(Math.max(0, nowMs - atMs) / forgetMs));
}
