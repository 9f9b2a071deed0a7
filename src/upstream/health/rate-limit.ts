import { type Clock, isWithin } from '../../util/time/clock.ts';
import type { Headers } from '../transport/head.ts';

/** What an upstream said of its pull rate limit (Docker Hub: `ratelimit-limit: 100;w=21600` and its like). */
export interface RateLimitWord {
  readonly limit: number;
  readonly remaining: number;
  /** Within what time so many are granted; undefined when it did not say. */
  readonly windowMs: number | undefined;
  /** Whom upstream counts for: an address, or an account's number. */
  readonly source: string | undefined;
}

/** How much of a limit is kept for content that is not here. */
export type RateLimitReserve = { readonly count: number } | { readonly part: number };

/** What those can do who run into an upstream's limit, for the end of a message. */
export function limitAdvice(upstream: string): string {
  return `wait, or give the upstream ${upstream} credentials of an account with a higher limit`;
}

/** Where an upstream does not say how long its window is, its word is believed for so long. */
const unknownWindowMs = 60 * 60_000;

/** What is known of an upstream's limit, for the one credential that it is asked with. */
export class RateLimit {
  readonly #clock: Clock;
  readonly #reserve: RateLimitReserve;
  #word: { readonly value: RateLimitWord; readonly atMs: number } | undefined;

  constructor(clock: Clock, reserve: RateLimitReserve) {
    this.#clock = clock;
    this.#reserve = reserve;
  }

  /** Takes what the head of an answer says, if it says anything. */
  note(headers: Headers): void {
    const value = parseRateLimit(headers);
    if (value) this.#word = { value, atMs: this.#clock.now() };
  }

  /** What upstream said last, and when; undefined once the window that it spoke of is over. */
  get word(): (RateLimitWord & { readonly atMs: number }) | undefined {
    if (this.#word === undefined) return undefined;
    const { value, atMs } = this.#word;
    return isWithin(atMs, value.windowMs ?? unknownWindowMs, this.#clock.now()) ? { ...value, atMs } : undefined;
  }

  /** How many requests the reserve is, by the limit that is known; undefined while none is. */
  get reserved(): number | undefined {
    if ('count' in this.#reserve) return this.#reserve.count;
    const limit = this.word?.limit;
    return limit === undefined ? undefined : Math.ceil(limit * this.#reserve.part);
  }

  /** Whether less than the reserve is left, or nothing at all. */
  get isLow(): boolean {
    const remaining = this.word?.remaining;
    return remaining !== undefined && (remaining === 0 || remaining < (this.reserved ?? 0));
  }
}

/** Reads the headers of a limit; undefined when there are none, or they make no sense. */
export function parseRateLimit(headers: Headers): RateLimitWord | undefined {
  const limit = parseCount(headers.get('ratelimit-limit'));
  const remaining = parseCount(headers.get('ratelimit-remaining'));
  if (limit === undefined || remaining === undefined) return undefined;
  const windowMs = limit.windowMs ?? remaining.windowMs;
  // It is shown to people: nothing that a terminal would obey.
  const source = /^[\x20-\x7e]{1,100}$/.exec(headers.get('docker-ratelimit-source') ?? '')?.[0];
  return { limit: limit.count, remaining: remaining.count, windowMs, source };
}

// Of "100, 100;w=21600" (the drafts of the IETF allow a list of windows) the first number is what counts.
function parseCount(value: string | undefined): { count: number; windowMs: number | undefined } | undefined {
  const [, count, rest = ''] = /^\s*(\d{1,12})\s*(?:$|[;,](.*)$)/.exec(value ?? '') ?? [];
  if (count === undefined) return undefined;
  const seconds = /\bw=(\d{1,9})\b/.exec(rest)?.[1];
  return { count: Number(count), windowMs: seconds === undefined ? undefined : Number(seconds) * 1000 };
}
