import { RegistryError } from '../oci/errors.ts';
import { backoffMs } from '../util/time/backoff.ts';
import { type Clock, isWithin } from '../util/time/clock.ts';
import type { Answer } from './transport/connection.ts';
import { isPassing, messageOf, TransportError } from './transport/errors.ts';

/** How a request that failed for no fault of its own is tried again. */
export interface RetryPolicy {
  /** How many times every URL is tried. */
  readonly rounds: number;
  /** The wait before the second round, in milliseconds; it doubles from round to round. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** How long all of it may take. */
  readonly totalMs: number;
}

/** Headers must reach containerd within 30 s, whatever happened before, so the total stays below. */
export const defaultRetryPolicy: RetryPolicy = { rounds: 3, firstDelayMs: 200, maxDelayMs: 2_000, totalMs: 25_000 };

/** Statuses that say "not now" of a server: another try, or another server, may do better. Not 429: that asks for fewer. */
const retryableStatus = new Set([500, 502, 503, 504]);

/** A server that failed is asked after the others for so long. */
const restMs = 30_000;

/** One of a registry's servers, and how to ask it. */
export interface Server {
  readonly host: string;
  send(signal: AbortSignal): Promise<Answer>;
}

/** What retrying needs from outside. */
export interface RetryTools {
  readonly clock: Clock;
  /** From 0 to 1: spreads the waits of many. */
  readonly random: () => number;
}

/** Tries servers in order, and again; remembers which failed. */
export class Retrier {
  readonly #policy: RetryPolicy;
  readonly #tools: RetryTools;
  readonly #failedAtMs = new Map<string, number>();

  constructor(policy: RetryPolicy, tools: RetryTools) {
    this.#policy = policy;
    this.#tools = tools;
  }

  /**
   * The first answer that is not a passing failure; the last such answer when there is no other.
   * @throws RegistryError UNAVAILABLE when no server could be reached; whatever else a server throws
   */
  async run(servers: readonly Server[], signal: AbortSignal): Promise<Answer> {
    const total = AbortSignal.timeout(this.#policy.totalMs);
    const either = AbortSignal.any([signal, total]);
    try {
      return await this.#rounds(servers, signal, either);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (total.aborted) throw unavailable(`no answer within ${this.#policy.totalMs} ms`, error);
      if (error instanceof TransportError) throw unavailable(error.message, error);
      throw error;
    }
  }

  // The answer's body outlives the time limit of asking, so it is bound to the caller's signal alone: each attempt
  // gets a controller that follows the limit only until the head is there.
  async #rounds(servers: readonly Server[], signal: AbortSignal, limit: AbortSignal): Promise<Answer> {
    let failure: unknown;
    for (let round = 0; round < this.#policy.rounds; round++) {
      if (round > 0) await this.#tools.clock.sleep(this.#delayMs(round), limit);
      const order = this.#inOrder(servers);
      for (const [index, server] of order.entries()) {
        const isLast = round === this.#policy.rounds - 1 && index === order.length - 1;
        const outcome = await this.#try(server, signal, limit);
        if ('answer' in outcome) {
          if (!retryableStatus.has(outcome.answer.head.status) || isLast) return outcome.answer;
          outcome.answer.body.close();
          this.#rest(server);
        } else failure = outcome.failure;
      }
    }
    throw failure ?? unavailable('it keeps failing', undefined);
  }

  async #try(
    server: Server,
    signal: AbortSignal,
    limit: AbortSignal,
  ): Promise<{ answer: Answer } | { failure: unknown }> {
    const attempt = new AbortController();
    const stop = () => attempt.abort(limit.reason);
    limit.addEventListener('abort', stop, { once: true });
    try {
      limit.throwIfAborted();
      return { answer: await server.send(AbortSignal.any([signal, attempt.signal])) };
    } catch (failure) {
      limit.throwIfAborted();
      if (!isPassing(failure)) throw failure;
      this.#rest(server);
      return { failure };
    } finally {
      limit.removeEventListener('abort', stop);
    }
  }

  #rest(server: Server): void {
    this.#failedAtMs.set(server.host, this.#tools.clock.now());
  }

  #inOrder(servers: readonly Server[]): Server[] {
    const nowMs = this.#tools.clock.now();
    const rests = ({ host }: Server) => isWithin(this.#failedAtMs.get(host) ?? -restMs, restMs, nowMs);
    return [...servers.filter((server) => !rests(server)), ...servers.filter(rests)];
  }

  #delayMs(round: number): number {
    return backoffMs(round, this.#policy.firstDelayMs, this.#policy.maxDelayMs, this.#tools.random());
  }
}

function unavailable(why: string, cause: unknown): RegistryError {
  return new RegistryError('UNAVAILABLE', `Cannot reach upstream: ${why || messageOf(cause)}`, { cause });
}
