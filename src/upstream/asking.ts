import { RegistryError } from '../oci/errors.ts';
import type { Clock } from '../util/time/clock.ts';
import { errorOfAnswer, errorOfAnswerToClient, readBounded } from './answers/answers.ts';
import type { CredentialSource } from './credentials/credential-source.ts';
import { type ClientIdentity, RegistryExchange } from './exchange.ts';
import type { UpstreamHealth } from './health/upstream-health.ts';
import type { ByteRate } from './limits/byte-rate.ts';
import type { RequestLimit } from './limits/request-limit.ts';
import type { UpstreamObserver } from './observer.ts';
import type { UpstreamRequest } from './requests.ts';
import { defaultRetryPolicy, Retrier, type RetryPolicy } from './retry.ts';
import type { TlsIdentity } from './transport/connect.ts';
import type { Answer } from './transport/connection.ts';
import { isPassing } from './transport/errors.ts';
import type { ResponseHead } from './transport/head.ts';
import type { Transport } from './transport/transport.ts';

/** What an upstream is, and what it is reached with. */
export interface UpstreamOptions {
  /** The name in the configuration: for messages, logs and metrics. */
  readonly name: string;
  /** The registry's servers, tried in order. */
  readonly urls: readonly URL[];
  /** Those of them that clients' own credentials are for, which never go to the others; all, unless given. */
  readonly ownUrls?: readonly URL[];
  /** Who it is asked as; nobody, when there is none. */
  readonly credentials?: CredentialSource | undefined;
  readonly tokenHosts?: readonly string[];
  readonly identity?: TlsIdentity;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random?: () => number;
  readonly userAgent: string;
  readonly retry?: Partial<RetryPolicy>;
  /** How many requests it gets at a time; any number, when there is no limit. */
  readonly requestLimit?: RequestLimit | undefined;
  /** How fast its blobs are read, all together; as fast as can be, when there is none. */
  readonly byteRate?: ByteRate | undefined;
  readonly observer?: UpstreamObserver;
  /** Whether it may be asked now; always, where there is none. */
  readonly health?: UpstreamHealth;
}

/** The spec asks registries to take 4 MiB; manifests and lists beyond twice that are no use to any client. */
const maxManifestBytes = 8 * 1024 * 1024;

/** Twice as long as a client waits. What goes on for nobody must end, though its body drips, each byte in time. */
const maxWholeMs = 60_000;

const maxBodyTries = 3; // as many as a request has rounds

/** One of an upstream's servers. */
export interface ReachedServer {
  readonly host: string;
  /** Whether it is the registry's own, and no mirror. */
  readonly isOwn: boolean;
  readonly exchange: RegistryExchange;
}

/** The way to an upstream, which all who are asked for share: its servers, and what is known of them. */
interface Reach {
  readonly servers: readonly ReachedServer[];
  readonly retrier: Retrier;
}

/** Asks an upstream: tries its servers, within its limits, as long as it is well enough, and tells who watches. */
export class Asking {
  readonly #options: UpstreamOptions;
  readonly #name: string;
  readonly #reach: Reach;
  /** Who is asked for; we ourselves, when it is nobody else. */
  readonly #client: ClientIdentity | undefined;
  readonly #clock: Clock;
  readonly #observer: UpstreamObserver | undefined;
  readonly #health: UpstreamHealth | undefined;
  readonly #requestLimit: RequestLimit | undefined;

  constructor(options: UpstreamOptions, reach: Reach = openReach(options), client?: ClientIdentity) {
    this.#options = options;
    this.#reach = reach;
    this.#client = client;
    this.#name = options.name;
    this.#clock = options.clock;
    this.#observer = options.observer;
    this.#health = options.health;
    this.#requestLimit = options.requestLimit;
  }

  /** The same upstream, asked for a client. What is known of it is shared. */
  as(authorization: string | undefined): Asking {
    return new Asking(this.#options, this.#reach, { authorization });
  }

  /** Asks for something small. When its body breaks, it is asked for again: nobody has seen any of it yet. */
  async askWhole(request: UpstreamRequest, signal: AbortSignal): Promise<{ head: ResponseHead; bytes: Buffer }> {
    for (let tries = 1; ; tries++) {
      const answer = await this.ask(request, signal);
      try {
        return { head: answer.head, bytes: await this.#readWhole(answer) };
      } catch (error) {
        if (tries >= maxBodyTries || !isPassing(error)) throw error;
      }
    }
  }

  async #readWhole(answer: Answer): Promise<Buffer> {
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      answer.body.close();
    }, maxWholeMs);
    try {
      return await readBounded(answer, maxManifestBytes);
    } catch (error) {
      if (!isLate) throw error;
      const what = `Cannot take the answer of upstream ${this.#name}`;
      throw new RegistryError('UNAVAILABLE', `${what}: it did not come whole within ${maxWholeMs / 1000} s`);
    } finally {
      clearTimeout(limit);
    }
  }

  /**
   * Asks once it may: resolves with an answer that is wanted, whose body is still coming. A place is left when its last
   * byte has come, or when there is no answer.
   * @throws RegistryError for what else upstream answers, or when it cannot be asked; the signal's reason
   */
  async ask(request: UpstreamRequest, signal: AbortSignal): Promise<Answer> {
    if (this.#servers().length === 0) throw nobodysServers(this.#name);
    this.#health?.assertMayAsk({ ...request, ofClient: this.#client !== undefined });
    const leave = await this.#requestLimit?.enter(signal);
    if (!leave) return this.#askNow(request, signal);
    try {
      const answer = await this.#askNow(request, signal);
      answer.body.whenOver(leave);
      return answer;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Those that clients' credentials are for. */
  get ownServers(): readonly ReachedServer[] {
    return this.#reach.servers.filter(({ isOwn }) => isOwn);
  }

  #servers(): readonly ReachedServer[] {
    return this.#client === undefined ? this.#reach.servers : this.ownServers;
  }

  async #askNow(request: UpstreamRequest, signal: AbortSignal): Promise<Answer> {
    const { method, path, scope, accept, range } = request;
    const headers = { ...(accept === undefined ? {} : { accept }), ...(range === undefined ? {} : { range }) };
    const client = this.#client;
    const servers = this.#servers().map(({ host, exchange }) => ({
      host,
      send: (attempt: AbortSignal) => exchange.send({ method, path, headers, scope, client }, attempt),
    }));
    const letOut = this.#health?.enter({ ...request, ofClient: client !== undefined });
    const beganAtMs = this.#clock.now();
    const observe = (result: string) =>
      this.#observer?.answered({
        upstream: this.#name,
        operation: request.operation,
        method,
        result,
        durationMs: this.#clock.now() - beganAtMs,
      });
    let answer: Answer;
    try {
      answer = await this.#reach.retrier.run(servers, signal);
    } catch (error) {
      letOut?.failed(error);
      observe(error instanceof RegistryError ? error.code : 'ABORTED');
      throw error;
    }
    letOut?.answered(answer.head);
    observe(String(answer.head.status));
    if (request.ok.includes(answer.head.status)) return answer;
    throw await (client ? errorOfAnswerToClient : errorOfAnswer)(answer, this.#name, request.unknown);
  }
}

function openReach(options: UpstreamOptions): Reach {
  const { urls, ownUrls = urls, transport, clock, userAgent, credentials, tokenHosts = [] } = options;
  const identity = options.identity ?? { insecure: false };
  const common = { transport, clock, userAgent, credentials, tokenHosts, identity };
  return {
    servers: urls.map((url) => ({
      host: url.host,
      isOwn: ownUrls.some(({ href }) => href === url.href),
      exchange: new RegistryExchange(url, common),
    })),
    retrier: new Retrier({ ...defaultRetryPolicy, ...options.retry }, { clock, random: options.random ?? Math.random }),
  };
}

function nobodysServers(name: string): RegistryError {
  const what = `Cannot pass credentials on to ${name}: none of its URLs is known to be the registry's own`;
  return new RegistryError('DENIED', `${what}; if one is, add its host to the upstream's names`);
}
