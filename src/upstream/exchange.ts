import { RegistryError } from '../oci/errors.ts';
import type { TokenAnswer, TokenRequest } from '../oci/wire/token.ts';
import type { Clock } from '../util/time/clock.ts';
import { discard, readBounded } from './answers/answers.ts';
import { Authenticator } from './auth/authenticator.ts';
import { KnownRealms } from './auth/known-realms.ts';
import { passOnLogin } from './auth/pass-on-login.ts';
import { errorOfTokenAnswer } from './auth/token-error.ts';
import { type TokenRequest as OwnTokenRequest, TokenCache } from './auth/tokens.ts';
import type { CredentialSource } from './credentials/credential-source.ts';
import type { TlsIdentity } from './transport/connect.ts';
import type { Answer } from './transport/connection.ts';
import type { Transport } from './transport/transport.ts';

/** A request to a registry: a path from its root, and what is needed to be allowed it. */
export interface ExchangeRequest {
  readonly method: 'GET' | 'HEAD';
  /** Path and query, beginning with `/v2/`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The token scope (`repository:<name>:pull`). */
  readonly scope: string;
  /** Whose request it is, when it is not our own. */
  readonly client?: ClientIdentity | undefined;
}

/** A client whose own credentials a request is sent with, instead of ours. */
export interface ClientIdentity {
  /** Its `Authorization`, word for word; undefined when it has none. */
  readonly authorization: string | undefined;
}

/** How one registry is spoken with. */
export interface ExchangeOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly userAgent: string;
  readonly credentials: CredentialSource | undefined;
  readonly tokenHosts: readonly string[];
  readonly identity: TlsIdentity;
}

const maxRedirects = 10; // as containerd and Go's HTTP client
const maxTokenBytes = 256 * 1024; // tokens of large companies' users list hundreds of groups
const maxRemembered = 64; // servers met by redirects: registries have a few, under changing names

/**
 * Speaks with one server of a registry: authenticates, follows redirects. Credentials and tokens, ours and those of
 * clients, go to the registry's own server only; where it redirects to is met as a stranger, whatever its name.
 * Redirects are never remembered: they are signed, and end soon.
 */
export class RegistryExchange {
  /** Where this server lets clients log in. */
  readonly realms: KnownRealms;
  readonly #base: URL;
  readonly #options: ExchangeOptions;
  readonly #tokens: TokenCache;
  readonly #own: Authenticator;
  readonly #others = new Map<string, Authenticator>();
  /** For servers other than the registry's: the same trust, but not our certificate. */
  readonly #strangerIdentity: TlsIdentity;

  constructor(base: URL, options: ExchangeOptions) {
    this.#base = base;
    this.#options = options;
    this.realms = new KnownRealms(base, options.tokenHosts);
    const { ca, insecure, cert } = options.identity;
    this.#strangerIdentity = cert === undefined ? options.identity : { ca, insecure };
    this.#tokens = new TokenCache((request, signal) => this.#fetchToken(request, signal), options.clock);
    this.#own = new Authenticator({
      server: base,
      credentials: options.credentials,
      tokenHosts: options.tokenHosts,
      tokens: this.#tokens,
      ping: (signal) => this.#ping(signal),
    });
  }

  /**
   * Sends a request and resolves with the first answer that is no redirect and no challenge that we can answer.
   * @throws TransportError, RegistryError UNAVAILABLE or DENIED
   */
  async send(request: ExchangeRequest, signal: AbortSignal): Promise<Answer> {
    let url = new URL(joinPath(this.#base, request.path));
    for (let redirects = 0; redirects <= maxRedirects; redirects++) {
      const answer = await this.#sendTo(url, redirects > 0, request, signal);
      const location = redirectOf(answer);
      if (location === undefined) return this.#isOwn(url) ? answer : { ...answer, fromElsewhere: true };
      await discard(answer);
      url = resolveRedirect(location, url);
    }
    throw new RegistryError('UNAVAILABLE', `Cannot follow ${this.#base.host}: more than ${maxRedirects} redirects`);
  }

  /** Passes a client's login on to one of the realms that this server has named. @throws RegistryError UNAVAILABLE */
  passOnLogin(realm: URL, request: TokenRequest, signal: AbortSignal): Promise<TokenAnswer> {
    return passOnLogin((asked, limited) => this.#sendToken(asked, limited), realm, request, signal);
  }

  async #sendTo(url: URL, redirected: boolean, request: ExchangeRequest, signal: AbortSignal): Promise<Answer> {
    if (request.client && this.#isOwn(url)) return this.#sendAs(request.client, url, redirected, request, signal);
    const authenticator = redirected ? this.#authenticatorOf(url) : this.#own;
    // A redirect's target has its permission in its URL; only when it says otherwise is it authenticated to.
    const first = redirected ? undefined : await authenticator.authorize(request.scope, signal);
    const answer = await this.#sendOnce(url, request, first?.value, signal);
    if (answer.head.status !== 401) return answer;
    try {
      const second = await authenticator.reauthorize(answer.head, request.scope, first, signal);
      if (!second) return answer;
      await discard(answer);
      return await this.#sendOnce(url, request, second.value, signal);
    } catch (error) {
      answer.body.close();
      throw error;
    }
  }

  /** Sends what a client asks, with what it sent along: whether that is enough is between it and the registry. */
  async #sendAs(
    { authorization }: ClientIdentity,
    url: URL,
    redirected: boolean,
    request: ExchangeRequest,
    signal: AbortSignal,
  ): Promise<Answer> {
    const answer = await this.#sendOnce(url, request, redirected ? undefined : authorization, signal);
    if (answer.head.status === 401) this.realms.note(answer.head);
    if (answer.head.status !== 401 || !redirected || authorization === undefined) return answer;
    await discard(answer);
    return this.#sendOnce(url, request, authorization, signal);
  }

  #isOwn(url: URL): boolean {
    return url.origin === this.#base.origin;
  }

  #authenticatorOf(url: URL): Authenticator {
    if (this.#isOwn(url)) return this.#own;
    const known = this.#others.get(url.origin);
    if (known) return known;
    const stranger = new Authenticator({
      server: new URL(url.origin),
      credentials: undefined,
      tokenHosts: this.#options.tokenHosts,
      tokens: this.#tokens,
    });
    if (this.#others.size >= maxRemembered) this.#others.clear();
    this.#others.set(url.origin, stranger);
    return stranger;
  }

  #sendOnce(
    url: URL,
    request: ExchangeRequest,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer> {
    const headers = {
      'user-agent': this.#options.userAgent,
      // An encoded body has another digest than the blob.
      'accept-encoding': 'identity',
      ...request.headers,
      ...(authorization === undefined ? {} : { authorization }),
    };
    return this.#options.transport.request(
      { method: request.method, url, headers, identity: this.#identityFor(url) },
      signal,
    );
  }

  #identityFor(url: URL): TlsIdentity {
    return this.#isOwn(url) ? this.#options.identity : this.#strangerIdentity;
  }

  async #ping(signal: AbortSignal): Promise<Answer['head']> {
    const url = new URL(joinPath(this.#base, '/v2/'));
    const answer = await this.#sendOnce(
      url,
      { method: 'GET', path: '/v2/', headers: {}, scope: '' },
      undefined,
      signal,
    );
    await discard(answer);
    return answer.head;
  }

  async #fetchToken(request: OwnTokenRequest, signal: AbortSignal): Promise<Uint8Array> {
    const answer = await this.#sendToken(request, signal);
    if (answer.head.status === 200) return readBounded(answer, maxTokenBytes);
    throw await errorOfTokenAnswer(answer, request.url.host);
  }

  #sendToken(request: OwnTokenRequest, signal: AbortSignal): Promise<Answer> {
    const headers = {
      'user-agent': this.#options.userAgent,
      'accept-encoding': 'identity',
      accept: 'application/json',
      ...request.headers,
    };
    return this.#options.transport.request({ ...request, headers, identity: this.#identityFor(request.url) }, signal);
  }
}

function joinPath(base: URL, path: string): string {
  return `${base.origin}${base.pathname.replace(/\/+$/, '')}${path}`;
}

function redirectOf({ head }: Answer): string | undefined {
  const isRedirect = head.status >= 301 && head.status <= 308 && head.status !== 304 && head.status !== 305;
  return isRedirect ? head.headers.get('location') : undefined;
}

function resolveRedirect(location: string, from: URL): URL {
  const url = URL.parse(location, from.href);
  if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && from.protocol === 'http:'))) {
    url.username = '';
    url.password = '';
    url.hash = '';
    return url;
  }
  throw new RegistryError(
    'UNAVAILABLE',
    `Cannot follow the redirect of ${from.host}: it leads to no HTTP URL, or from HTTPS to HTTP`,
  );
}
