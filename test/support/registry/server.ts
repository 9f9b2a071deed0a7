import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../src/util/time/clock.ts';
import { memorySource } from '../content/byte-source.ts';
import type { Content } from '../content/content.ts';
import { type Answer, errorAnswer } from './answer.ts';
import { type AnswerContext, type AnsweredRequest, answerRequest, answerSigned } from './answers.ts';
import { type FaultAnswer, Faults } from './faults.ts';
import { type Auth, refuse } from './gatekeeper.ts';
import { type Listener, listen, type TlsOptions } from './listener.ts';
import type { Quirks } from './quirks.ts';
import { type Origin, type RecordedRequest, Recorder } from './recorder.ts';
import { parseRoute } from './routes.ts';
import { send, unlessGone } from './send.ts';
import { SignedLinks } from './signed-links.ts';
import { TokenServer } from './token-server.ts';

/** What the servers of a test registry are made with. */
export interface RegistryServerOptions {
  readonly content: Content;
  readonly quirks: Quirks;
  readonly auth: Auth;
  readonly tls: TlsOptions | undefined;
  readonly clock: Clock;
}

/** The registry, its CDN and its token server: takes requests, and sends what the parts answer. */
export class RegistryServer {
  readonly requests = new Recorder();
  readonly faults = new Faults();
  readonly tokens: TokenServer | undefined;
  readonly #options: RegistryServerOptions;
  readonly #context: AnswerContext;
  readonly #listeners = new Map<Origin, Listener>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];
  #quirks: Quirks;

  constructor(options: RegistryServerOptions) {
    const { auth, clock, content } = options;
    this.#options = options;
    this.#quirks = options.quirks;
    this.#context = { content, links: new SignedLinks(clock), cdnUrl: () => this.listener('cdn').url, pulls: 0 };
    if (auth.kind === 'bearer') this.tokens = new TokenServer(auth, clock, (repository) => content.has(repository));
  }

  /** Starts one of the servers. */
  async open(origin: Origin, host: string): Promise<void> {
    const listener: Listener = await listen({ host, tls: this.#options.tls }, (request, response) => {
      const served = this.#serve(origin, listener, request, response).catch((error: unknown) => {
        this.#failures.push(error);
        request.socket.destroy();
      });
      this.#underWay.add(served);
      void served.then(() => this.#underWay.delete(served));
    });
    this.#listeners.set(origin, listener);
  }

  /** One of the servers, which has been started. */
  listener(origin: Origin): Listener {
    const listener = this.#listeners.get(origin);
    if (listener === undefined) throw new Error(`Cannot use the ${origin} server: it was not started`);
    return listener;
  }

  /** How many connections are open now, to any of the servers. */
  get connectionsOpen(): number {
    return [...this.#listeners.values()].reduce((sum, listener) => sum + listener.connectionsOpen, 0);
  }

  /** Replaces all quirks from the next request on, and counts pulls from 0 again. */
  setQuirks(quirks: Quirks): void {
    this.#quirks = quirks;
    this.#context.pulls = 0;
  }

  /** Cuts all connections and stops; rejects when something went wrong that was not meant to. */
  async close(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()));
    await Promise.all(this.#underWay);
    this.faults.clear();
    if (this.#failures.length > 0) throw new AggregateError(this.#failures, 'The test registry went wrong');
  }

  async #serve(origin: Origin, listener: Listener, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = request.method === 'POST' ? await readForm(request) : undefined;
    request.resume();
    const left = new AbortController();
    response.on('close', () => left.abort());
    const route = parseRoute(request.url ?? '/');
    const record: RecordedRequest = this.requests.add(request, response, origin, route.name);
    const struck = this.faults.take(record);
    const fault = struck?.what ?? { kind: 'none' };
    const quirks = { ...this.#quirks, ...struck?.quirks };
    if (fault.kind === 'closeWithoutAnswer') return void request.socket.end();
    if (fault.kind === 'holdHeaders') await unlessGone(fault.gate.pass(), left.signal);
    const { method = '', headers } = request;
    const ownUrl = `${this.#options.tls === undefined ? 'http' : 'https'}://${headers.host ?? listener.authority}`;
    const answer =
      fault.kind === 'answer'
        ? faultAnswer(fault.answer)
        : this.#answer(origin, { method, route, headers, ownUrl, form }, quirks);
    const { clock } = this.#options;
    await send(answer, { request, response, record, quirks, fault, clock, listener, gone: left.signal });
  }

  #answer(origin: Origin, request: AnsweredRequest, quirks: Quirks): Answer {
    const { route, headers, ownUrl } = request;
    const { auth } = this.#options;
    const tokenListener = this.#listeners.get('token');
    if (route.name === 'token' && this.tokens !== undefined && (tokenListener === undefined || origin === 'token')) {
      return request.form
        ? this.tokens.answerForm(request.form, quirks)
        : this.tokens.answer(headers, route.query, quirks);
    }
    if (route.name === 'cdn' && origin !== 'token')
      return answerSigned(this.#context, request, quirks, origin === 'cdn');
    if (origin !== 'registry') return errorAnswer(404, 'NOT_FOUND', '404 page not found');
    const realm = (auth.kind === 'bearer' ? auth.realm : undefined) ?? `${tokenListener?.url ?? ownUrl}/token`;
    const refused = refuse(auth, this.tokens, realm, route, headers, quirks);
    const answer = refused ?? answerRequest(this.#context, request, quirks);
    return { ...answer, headers: { 'docker-distribution-api-version': 'registry/2.0', ...answer.headers } };
  }
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return new URLSearchParams(Buffer.concat(parts).toString());
}

function faultAnswer({ status, headers = {}, body }: FaultAnswer): Answer {
  if (body === undefined) return errorAnswer(status, 'UNKNOWN', 'something went wrong', headers);
  return { status, headers: { 'content-type': 'text/plain', ...headers }, body: memorySource(Buffer.from(body)) };
}
