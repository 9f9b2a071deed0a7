import type { Quirks } from './quirks.ts';
import type { RecordedRequest } from './recorder.ts';
import type { RouteName } from './routes.ts';

/** Which requests a fault waits for: a route, a method and a route, any, or a test of one's own. */
export type FaultMatch = 'any' | RouteName | `${'GET' | 'HEAD'} ${RouteName}` | ((request: RecordedRequest) => boolean);

/** How often a fault strikes, and what else is odd about the answers that it strikes. */
export interface FaultOptions {
  /** Once, unless said otherwise; `Infinity` until `clear`. */
  readonly times?: number;
  /** In place of the registry's own quirks of the same names. */
  readonly quirks?: Quirks;
}

/** An answer in place of the right one. */
export interface FaultAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The spec's JSON with the code UNKNOWN unless said otherwise. */
  readonly body?: string;
}

/** What goes wrong. */
export type FaultKind =
  | { readonly kind: 'none' }
  | { readonly kind: 'answer'; readonly answer: FaultAnswer }
  | { readonly kind: 'closeWithoutAnswer' }
  | { readonly kind: 'holdHeaders'; readonly gate: Gate }
  | { readonly kind: 'cut'; readonly afterBytes: number; readonly by: 'reset' | 'end' }
  | { readonly kind: 'stall'; readonly afterBytes: number; readonly gate: Gate }
  | { readonly kind: 'throttle'; readonly pieceBytes: number; readonly everyMs: number };

/** A fault as it strikes one request. */
export interface Fault {
  readonly what: FaultKind;
  readonly quirks: Quirks;
}

/** Holds answers back until the test lets them go. */
export class Gate {
  /** Resolves when the first answer waits here. */
  readonly reached: Promise<void>;
  /** Resolves when the gate is open. */
  readonly opened: Promise<void>;
  readonly #reach: () => void;
  readonly #open: () => void;

  constructor() {
    const reached = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<void>();
    this.reached = reached.promise;
    this.opened = opened.promise;
    this.#reach = reached.resolve;
    this.#open = opened.resolve;
  }

  /** Waits at the gate. */
  pass(): Promise<void> {
    this.#reach();
    return this.opened;
  }

  /** Lets all go who wait, and whoever comes later. */
  release(): void {
    this.#open();
  }
}

interface Plan extends Fault {
  readonly matches: (request: RecordedRequest) => boolean;
  timesLeft: number;
  strikes: number;
}

/**
 * What shall go wrong. Each request is struck by the first fault that matches it and has strikes left, so faults of one
 * route come one after the other: `resetAfterBytes`, then `none`, then `holdHeaders`.
 */
export class Faults {
  #plans: Plan[] = [];

  /** Lets matching requests pass that a later fault would strike, or strikes them with quirks alone. */
  none(match: FaultMatch, options?: FaultOptions): void {
    this.#plan(match, { kind: 'none' }, options);
  }

  /** Answers something else. */
  answer(match: FaultMatch, answer: FaultAnswer, options?: FaultOptions): void {
    this.#plan(match, { kind: 'answer', answer }, options);
  }

  /** Answers 429, with `Retry-After` if it is given. */
  tooManyRequests(match: FaultMatch, retryAfter?: string, options?: FaultOptions): void {
    const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
    this.answer(match, { status: 429, headers, body: 'Too Many Requests\n' }, options);
  }

  /** Takes the request, then closes the connection (FIN) without a byte. */
  closeWithoutAnswer(match: FaultMatch, options?: FaultOptions): void {
    this.#plan(match, { kind: 'closeWithoutAnswer' }, options);
  }

  /** Sends nothing, not even headers, until the gate is released. */
  holdHeaders(match: FaultMatch, options?: FaultOptions): Gate {
    const gate = new Gate();
    this.#plan(match, { kind: 'holdHeaders', gate }, options);
    return gate;
  }

  /** Breaks the connection with RST when this many bytes of body have arrived. */
  resetAfterBytes(match: FaultMatch, afterBytes: number, options?: FaultOptions): void {
    this.#plan(match, { kind: 'cut', afterBytes, by: 'reset' }, options);
  }

  /** Ends the connection with FIN after this many bytes of body. */
  endAfterBytes(match: FaultMatch, afterBytes: number, options?: FaultOptions): void {
    this.#plan(match, { kind: 'cut', afterBytes, by: 'end' }, options);
  }

  /** Sends this many bytes of body, then nothing until the gate is released, then the rest. */
  stallAfterBytes(match: FaultMatch, afterBytes: number, options?: FaultOptions): Gate {
    const gate = new Gate();
    this.#plan(match, { kind: 'stall', afterBytes, gate }, options);
    return gate;
  }

  /** Sends the body in pieces of this size, and sleeps on the registry's clock after each. */
  throttle(match: FaultMatch, pieceBytes: number, everyMs: number, options?: FaultOptions): void {
    this.#plan(match, { kind: 'throttle', pieceBytes, everyMs }, options);
  }

  /** Ends all faults, and releases every gate. */
  clear(): void {
    for (const { what } of this.#plans) if ('gate' in what) what.gate.release();
    this.#plans = [];
  }

  /** How many faults have struck nobody yet: 0 at the end of a test that meant all of them. */
  get unused(): number {
    return this.#plans.filter((plan) => plan.strikes === 0).length;
  }

  /** The fault that strikes this request; undefined when it passes. */
  take(request: RecordedRequest): Fault | undefined {
    const plan = this.#plans.find((candidate) => candidate.timesLeft > 0 && candidate.matches(request));
    if (plan === undefined) return undefined;
    plan.timesLeft--;
    plan.strikes++;
    return plan;
  }

  #plan(match: FaultMatch, what: FaultKind, { times = 1, quirks = {} }: FaultOptions = {}): void {
    this.#plans.push({ matches: matcherOf(match), what, quirks, timesLeft: times, strikes: 0 });
  }
}

function matcherOf(match: FaultMatch): (request: RecordedRequest) => boolean {
  if (typeof match === 'function') return match;
  return ({ method, route }) => match === 'any' || match === route || match === `${method} ${route}`;
}
