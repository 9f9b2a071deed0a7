import { RegistryError } from '../../oci/errors.ts';
import { singleFlight } from '../../util/locks/single-flight.ts';
import { areSameCredentials, type CredentialSource, type Credentials } from '../credentials/credential-source.ts';
import type { ResponseHead } from '../transport/head.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { checkRealm } from './realm.ts';
import { basicAuthorization, type TokenCache, type TokenQuestion } from './tokens.ts';

/** What an authenticator is made with. */
export interface AuthenticatorOptions {
  /** The server that is authenticated to. */
  readonly server: URL;
  /** Whose credentials it gets; nobody's when there is none. */
  readonly credentials: CredentialSource | undefined;
  /** Hosts besides the server's own domain that may make its tokens. */
  readonly tokenHosts: readonly string[];
  readonly tokens: TokenCache;
  /** Asks the server what it wants, so that no request has to fail first; absent for servers that are met by redirects. */
  readonly ping?: (signal: AbortSignal) => Promise<ResponseHead>;
}

/** An `Authorization` header, who it is for, and the question whose token it holds, if it does. */
interface Authorization {
  readonly value: string;
  readonly credentials: Credentials | undefined;
  readonly question: TokenQuestion | undefined;
}

/**
 * Knows how one server wants to be authenticated to. The handshake:
 * 1. ping: `GET /v2/` once, whose 401 names the scheme, and for tokens the realm and the service;
 * 2. a token for the scope that a request needs, from the cache or the realm;
 * 3. when the server refuses all the same, its new challenge is answered, once.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  /** What the server wanted last; undefined until it was asked, null when it wants nothing. */
  #challenge: Challenge | null | undefined;
  readonly #asking = singleFlight<void>();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** The `Authorization` to send first with a request for this scope; undefined for none. */
  async authorize(scope: string, signal: AbortSignal): Promise<Authorization | undefined> {
    if (this.#challenge === undefined && this.#options.ping) await this.#ask(this.#options.ping, signal);
    return this.#challenge ? this.#answer(this.#challenge, scope, signal) : undefined;
  }

  /**
   * The `Authorization` to try after a 401; undefined when there is no better one than what was sent.
   * @throws RegistryError as `checkRealm` and `TokenCache.get` do
   */
  async reauthorize(
    head: ResponseHead,
    scope: string,
    sent: Authorization | undefined,
    signal: AbortSignal,
  ): Promise<Authorization | undefined> {
    const challenge = chooseChallenge(head);
    if (!challenge) return undefined;
    this.#challenge = challenge;
    const { server, credentials } = this.#options;
    if (sent?.credentials && !sent.question) credentials?.refused(server, sent.credentials);
    if (sent?.question) this.#options.tokens.reject(sent.question, sent.value.slice('Bearer '.length));
    const next = await this.#answer(challenge, scope, signal);
    return next?.value === sent?.value ? undefined : next;
  }

  // All who come before the first answer wait for it; a failure is theirs, and the next to come asks again.
  #ask(ping: (signal: AbortSignal) => Promise<ResponseHead>, signal: AbortSignal): Promise<void> {
    return this.#asking.run('', signal, async (shared) => {
      const head = await ping(shared);
      if (head.status === 401) this.#challenge = chooseChallenge(head) ?? null;
      else if (head.status < 500 && head.status !== 429) this.#challenge = null;
    });
  }

  // Credentials that the token server refuses may have been replaced meanwhile: then the newer ones are tried, once.
  async #answer(challenge: Challenge, scope: string, signal: AbortSignal): Promise<Authorization | undefined> {
    const { server, credentials: source } = this.#options;
    const credentials = await source?.current(server, signal);
    try {
      return await this.#answerAs(credentials, challenge, scope, signal);
    } catch (error) {
      if (!source || !credentials || !(error instanceof RegistryError && error.code === 'DENIED')) throw error;
      source.refused(server, credentials);
      const newer = await source.current(server, signal);
      if (areSameCredentials(newer, credentials)) throw error;
      return this.#answerAs(newer, challenge, scope, signal);
    }
  }

  async #answerAs(
    credentials: Credentials | undefined,
    challenge: Challenge,
    scope: string,
    signal: AbortSignal,
  ): Promise<Authorization | undefined> {
    const { server, tokenHosts, tokens } = this.#options;
    if (challenge.scheme === 'basic') {
      // Only a token server knows what to do with an identity token.
      if (!credentials || 'identityToken' in credentials) return undefined;
      return { value: basicAuthorization(credentials), credentials, question: undefined };
    }
    const realm = checkRealm(challenge.parameters.get('realm') ?? '', server, tokenHosts);
    const question = { realm, service: challenge.parameters.get('service'), scope, credentials };
    return { value: `Bearer ${await tokens.get(question, signal)}`, credentials, question };
  }
}

/** The challenge that is answered, of those that we can: a token before a password that goes with every request. */
function chooseChallenge(head: ResponseHead): Challenge | undefined {
  const challenges = parseChallenges(head.headers.get('www-authenticate') ?? '');
  return (
    challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm')) ??
    challenges.find(({ scheme }) => scheme === 'basic')
  );
}
