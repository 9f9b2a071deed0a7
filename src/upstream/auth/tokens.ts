import { RegistryError } from '../../oci/errors.ts';
import { singleFlight } from '../../util/locks/single-flight.ts';
import { type Clock, isWithin } from '../../util/time/clock.ts';
import { type Credentials, credentialKey, type Password } from '../credentials/credential-source.ts';

/** Where tokens are made, and for what. */
export interface TokenQuestion {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scope: string | undefined;
  readonly credentials: Credentials | undefined;
}

/** A request to a token server. */
export interface TokenRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Only ASCII. */
  readonly body?: string;
}

/** Gets the JSON that a token server answers with; the body is bounded. It throws when the status is not 200. */
export type TokenFetch = (request: TokenRequest, signal: AbortSignal) => Promise<Uint8Array>;

interface Token {
  readonly value: string;
  readonly askedAtMs: number;
  /** For how long it is used. */
  readonly useMs: number;
}

// Docker's token specification: 60 s when the server does not say, and never taken as less.
const minLifeMs = 60_000;
// A token is renewed while a tenth of its life is left, at most this long before it ends: clocks differ, requests take time.
const maxEarlyMs = 30_000;
const clientId = 'entrepot'; // the specification wants one, and leaves it to the client
const maxTokens = 10_000; // one for each repository and credential in use; beyond that the oldest goes

/** The tokens of one upstream: each fetched once for any number of waiters, and used until shortly before it ends. */
export class TokenCache {
  readonly #tokens = new Map<string, Token>();
  readonly #flights = singleFlight<string>();
  readonly #fetch: TokenFetch;
  readonly #clock: Clock;

  constructor(fetch: TokenFetch, clock: Clock) {
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /**
   * A token that answers the question.
   * @throws RegistryError UNAVAILABLE when the server answers nonsense; whatever the fetch throws
   */
  get(question: TokenQuestion, signal: AbortSignal): Promise<string> {
    const key = keyOf(question);
    const token = this.#tokens.get(key);
    if (token && isWithin(token.askedAtMs, token.useMs, this.#clock.now())) return Promise.resolve(token.value);
    return this.#flights.run(key, signal, (shared) => this.#renew(key, question, shared));
  }

  /** Forgets a token that was refused, unless a newer one has taken its place. */
  reject(question: TokenQuestion, value: string): void {
    const key = keyOf(question);
    if (this.#tokens.get(key)?.value === value) this.#tokens.delete(key);
  }

  async #renew(key: string, question: TokenQuestion, signal: AbortSignal): Promise<string> {
    const askedAtMs = this.#clock.now();
    const { value, lifeMs } = parseToken(await this.#fetch(requestOf(question), signal), question.realm);
    if (this.#tokens.size >= maxTokens) this.#tokens.delete(this.#tokens.keys().next().value!);
    this.#tokens.delete(key);
    this.#tokens.set(key, { value, askedAtMs, useMs: lifeMs - Math.min(lifeMs / 10, maxEarlyMs) });
    return value;
  }
}

// Other credentials have other tokens: what a rotated password was given for ends with it.
function keyOf({ realm, service, scope, credentials }: TokenQuestion): string {
  return JSON.stringify([realm.href, service, scope, credentialKey(credentials)]);
}

function requestOf({ realm, service, scope, credentials }: TokenQuestion): TokenRequest {
  const asked = {
    ...(service === undefined ? {} : { service }),
    ...(scope === undefined ? {} : { scope }),
  };
  if (credentials && 'identityToken' in credentials) {
    // By POST alone (distribution's OAuth 2 specification), so that the token stands in nobody's log of URLs.
    const form = {
      grant_type: 'refresh_token',
      client_id: clientId,
      ...asked,
      refresh_token: credentials.identityToken,
    };
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', url: realm, headers, body: String(new URLSearchParams(form)) };
  }
  const url = new URL(realm);
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  return { method: 'GET', url, headers: credentials ? { authorization: basicAuthorization(credentials) } : {} };
}

/** The value of an `Authorization` header for the basic scheme (RFC 7617). */
export function basicAuthorization({ username, password }: Password): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** Reads the answer of a token server (distribution's token specification; OAuth 2 names the same thing otherwise). */
function parseToken(body: Uint8Array, realm: URL): { value: string; lifeMs: number } {
  const answer = parseJsonObject(body);
  const value = answer?.['token'] || answer?.['access_token'];
  // A line break in it would end the header that it is sent in.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    throw new RegistryError('UNAVAILABLE', `Cannot use the answer of the token server ${realm.host}: it has no token`);
  }
  const seconds = Number(answer?.['expires_in']);
  return { value, lifeMs: Number.isFinite(seconds) ? Math.max(seconds * 1000, minLifeMs) : minLifeMs };
}

function parseJsonObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
