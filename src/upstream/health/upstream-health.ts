import { isTemporary, RegistryError } from '../../oci/errors.ts';
import type { UpstreamStatus } from '../../util/status.ts';
import { type Clock, isWithin } from '../../util/time/clock.ts';
import type { UpstreamOperation } from '../observer.ts';
import { TransportError } from '../transport/errors.ts';
import type { ResponseHead } from '../transport/head.ts';
import { Circuit, type CircuitPolicy, defaultCircuitPolicy, type Passage } from './circuit.ts';
import { limitAdvice, RateLimit, type RateLimitReserve } from './rate-limit.ts';
import { parseRetryAfter } from './retry-after.ts';

/** What an upstream's health is watched with. */
export interface UpstreamHealthOptions {
  /** The upstream's name in the configuration, for messages. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly reserve: RateLimitReserve;
  readonly circuit?: Partial<CircuitPolicy>;
  readonly observer?: HealthObserver;
}

/** Is told, once each, when an upstream is left alone and when it is well again. It must not throw. */
export interface HealthObserver {
  opened(upstream: string, reason: string, untilMs: number): void;
  closed(upstream: string, openedForMs: number): void;
}

/** Which requests are meant. */
export interface HealthQuestion {
  readonly operation: UpstreamOperation;
  readonly method: 'GET' | 'HEAD';
  /** Whether it has a client's credentials: what upstream counts and limits then is that client's, not ours. */
  readonly ofClient?: boolean;
}

/** A request that was let out. Exactly one of these is called when it is over. */
export interface LetOut {
  answered(head: ResponseHead): void;
  failed(error: unknown): void;
}

/** For how long upstream wants to be left alone, and from when on. */
interface Wait {
  readonly sinceMs: number;
  readonly waitMs: number;
}

/** Statuses that say that upstream itself fails; 501 says that it does not have what was asked for. */
const failingStatus = new Set([500, 502, 503, 504]);

/**
 * When the limit is used up and upstream does not say until when: often enough to find out soon, and nothing against
 * the hours of Docker Hub's window.
 */
const unknownWaitMs = 60_000;

/** Decides whether a request to an upstream may leave, from what became of those before: its circuit, and its limits. */
export class UpstreamHealth {
  readonly #options: UpstreamHealthOptions;
  readonly #circuit: Circuit;
  readonly #rateLimit: RateLimit;
  #openedAtMs = 0;
  #reason = '';
  /** With what upstream counts, and with everything. */
  #countedWait: Wait = { sinceMs: 0, waitMs: 0 };
  #allWait: Wait = { sinceMs: 0, waitMs: 0 };
  #lastError: { readonly atMs: number; readonly code: string } | undefined;

  constructor(options: UpstreamHealthOptions) {
    const { clock, random, reserve, circuit } = options;
    this.#options = options;
    this.#rateLimit = new RateLimit(clock, reserve);
    this.#circuit = new Circuit({
      clock,
      random,
      policy: { ...defaultCircuitPolicy, ...circuit },
      changed: (isOpen) => this.#changed(isOpen),
    });
  }

  /**
   * Sees to it that nobody waits for his turn only to be refused then.
   * @throws as `enter` does
   */
  assertMayAsk(question: HealthQuestion): void {
    const waitUntilMs = this.#waitUntilMs(question);
    if (waitUntilMs !== undefined) throw this.#limited(waitUntilMs);
    if (!this.#circuit.mayEnter) throw this.#leftAlone();
  }

  /**
   * Lets a request out.
   * @throws RegistryError UNAVAILABLE or TOOMANYREQUESTS, with `notAskedUntilMs`, when it may not leave now
   */
  enter(question: HealthQuestion): LetOut {
    this.assertMayAsk(question);
    const passage = this.#circuit.enter();
    if (!passage) throw this.#leftAlone();
    return {
      answered: (head) => this.#answered(question, head, passage),
      failed: (error) => this.#failed(error, passage),
    };
  }

  /** Why what is left of the limit is to be kept for content that is not here; undefined when it need not be. */
  isLow(): string | undefined {
    const untilMs = this.#waitUntilMs({ operation: 'manifest', method: 'GET' });
    if (untilMs !== undefined) return `${this.#options.name} limits how much it is asked, until ${iso(untilMs)}`;
    const { word, isLow, reserved = 0 } = this.#rateLimit;
    if (!word || !isLow) return undefined;
    const kept = word.remaining < reserved ? `, ${reserved} are kept for what is not here` : '';
    return `${this.#options.name} has ${word.remaining} of ${word.limit} pulls left${kept}`;
  }

  /** All that is known of it. */
  get status(): UpstreamStatus {
    const { state, failures, restUntilMs } = this.#circuit;
    const countedUntilMs = this.#waitUntilMs({ operation: 'manifest', method: 'GET' });
    const allUntilMs = this.#waitUntilMs({ operation: 'blob', method: 'GET' });
    const saving = this.isLow();
    return {
      name: this.#options.name,
      circuit: { state, failures, ...(state === 'closed' ? {} : { until: iso(restUntilMs) }) },
      ...this.#rateLimitStatus(),
      ...(countedUntilMs === undefined
        ? {}
        : {
            waits: {
              countedUntil: iso(countedUntilMs),
              ...(allUntilMs === undefined ? {} : { allUntil: iso(allUntilMs) }),
            },
          }),
      ...(saving === undefined ? {} : { saving }),
      ...(this.#lastError === undefined
        ? {}
        : { lastError: { at: iso(this.#lastError.atMs), code: this.#lastError.code } }),
    };
  }

  #rateLimitStatus(): Pick<UpstreamStatus, 'rateLimit'> {
    const { word, reserved = 0 } = this.#rateLimit;
    if (word === undefined) return {};
    const { limit, remaining, windowMs, source, atMs } = word;
    return {
      rateLimit: {
        limit,
        remaining,
        ...(windowMs === undefined ? {} : { windowSeconds: windowMs / 1000 }),
        ...(source === undefined ? {} : { source }),
        at: iso(atMs),
        reserved,
      },
    };
  }

  #answered(question: HealthQuestion, head: ResponseHead, passage: Passage): void {
    const { status, headers } = head;
    if (question.ofClient && status === 429) return passage.succeeded();
    if (question.operation === 'manifest' && !question.ofClient) this.#rateLimit.note(headers);
    if (status !== 429 && !failingStatus.has(status)) return passage.succeeded();
    this.#noteError(String(status), `it answered ${status}`);
    // Whoever says how long to wait is well; a 429 without a word asks for the patience that the circuit has.
    if (status === 429 && this.#limit(question, head)) passage.succeeded();
    else passage.failed('one');
  }

  #failed(error: unknown, passage: Passage): void {
    if (!(error instanceof RegistryError)) return passage.abandoned(); // the reason of a signal
    if (error.notAskedUntilMs !== undefined) return passage.abandoned(); // our own credentials could not be had
    if (!isTemporary(error)) return passage.succeeded(); // it was refused, so somebody is there
    this.#noteError(error.cause instanceof TransportError ? error.cause.code : error.code, error.message);
    if (error.code === 'TOOMANYREQUESTS' && this.#wait(error.headers['retry-after'])) passage.succeeded();
    else passage.failed(isTimeLimit(error.cause) ? 'all' : 'one');
  }

  /** Until when such a request waits because upstream said so; undefined when it does not. */
  #waitUntilMs({ operation, method, ofClient }: HealthQuestion): number | undefined {
    const isCounted = operation === 'manifest' && method === 'GET' && !ofClient;
    const nowMs = this.#options.clock.now();
    const waits = [this.#allWait, ...(isCounted ? [this.#countedWait] : [])];
    const ends = waits
      .filter(({ sinceMs, waitMs }) => isWithin(sinceMs, waitMs, nowMs))
      .map(({ sinceMs, waitMs }) => sinceMs + waitMs);
    return ends.length === 0 ? undefined : Math.max(...ends);
  }

  /**
   * Takes a 429. For the GET of a manifest, from an upstream that tells of a limit of pulls, it is about that limit,
   * which is no reason to send no HEADs and fetch no blobs: were it about all requests, these would get one, too. Any
   * other is about all requests. False when nothing says how long to wait, nor for what.
   */
  #limit({ operation, method }: HealthQuestion, { headers }: ResponseHead): boolean {
    const { clock } = this.#options;
    const isCounted = operation === 'manifest' && method === 'GET';
    const tellsOfPulls = headers.has('docker-ratelimit-source') || this.#rateLimit.word !== undefined;
    if (!isCounted || !tellsOfPulls) return this.#wait(headers.get('retry-after'));
    const waitMs = parseRetryAfter(headers.get('retry-after'), clock.now()) ?? unknownWaitMs;
    this.#countedWait = { sinceMs: clock.now(), waitMs };
    return true;
  }

  #wait(retryAfter: string | undefined): boolean {
    const nowMs = this.#options.clock.now();
    const waitMs = parseRetryAfter(retryAfter, nowMs);
    if (waitMs !== undefined) this.#allWait = { sinceMs: nowMs, waitMs };
    return waitMs !== undefined;
  }

  #limited(untilMs: number): RegistryError {
    const { name } = this.#options;
    const message = `Cannot ask upstream ${name} before ${iso(untilMs)}: it limits how much it is asked; ${limitAdvice(name)}`;
    return new RegistryError('TOOMANYREQUESTS', message, this.#refusal(untilMs));
  }

  #leftAlone(): RegistryError {
    const { restUntilMs, state } = this.#circuit;
    const until = state === 'probing' ? 'until the one request that finds out is over' : `until ${iso(restUntilMs)}`;
    // The end of a probe is not known. Whoever asks again after a second loses nothing.
    const nextMs = Math.max(restUntilMs, this.#options.clock.now() + (state === 'probing' ? 1_000 : 0));
    const message = `Upstream ${this.#options.name} is left alone ${until}, as it fails: ${this.#reason}`;
    return new RegistryError('UNAVAILABLE', message, this.#refusal(nextMs));
  }

  #refusal(untilMs: number) {
    const seconds = Math.max(1, Math.ceil((untilMs - this.#options.clock.now()) / 1000));
    return { status: 503, headers: { 'retry-after': String(seconds) }, notAskedUntilMs: untilMs };
  }

  #noteError(code: string, reason: string): void {
    this.#lastError = { atMs: this.#options.clock.now(), code };
    this.#reason = reason;
  }

  #changed(isOpen: boolean): void {
    const { name, clock, observer } = this.#options;
    if (isOpen) {
      this.#openedAtMs = clock.now();
      observer?.opened(name, this.#reason, this.#circuit.restUntilMs);
    } else observer?.closed(name, clock.now() - this.#openedAtMs);
  }
}

/** Whether it was given up because all its time was used, and not one of its tries had an end. */
function isTimeLimit(cause: unknown): boolean {
  return cause instanceof DOMException && cause.name === 'TimeoutError';
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
