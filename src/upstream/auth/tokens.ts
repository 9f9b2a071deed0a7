import { RegistryError } from '../../oci/errors.ts';
import { type Clock, isWithin } from '../../util/clock.ts';
import { singleFlight } from '../../util/single-flight.ts';

/** A user and a password. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Where tokens are made, and for what. */
export interface TokenQuestion {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scope: string | undefined;
  readonly credentials: Credentials | undefined;
}

/** Gets the JSON that a token server answers with; the body is bounded. It throws when the status is not 200. */
export type TokenFetch = (
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<Uint8Array>;

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
   * @throws RegistryError DENIED when the server refuses, UNAVAILABLE when it answers nonsense; whatever the fetch throws
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
    const { value, lifeMs } = parseToken(
      await this.#fetch(urlOf(question), headersOf(question), signal),
      question.realm,
    );
    if (this.#tokens.size >= maxTokens) this.#tokens.delete(this.#tokens.keys().next().value!);
    this.#tokens.delete(key);
    this.#tokens.set(key, { value, askedAtMs, useMs: lifeMs - Math.min(lifeMs / 10, maxEarlyMs) });
    return value;
  }
}

function keyOf({ realm, service, scope, credentials }: TokenQuestion): string {
  return JSON.stringify([realm.href, service, scope, credentials?.username, credentials?.password]);
}

function urlOf({ realm, service, scope }: TokenQuestion): URL {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  if (scope !== undefined) url.searchParams.set('scope', scope);
  return url;
}

function headersOf({ credentials }: TokenQuestion): Record<string, string> {
  return credentials ? { authorization: basicAuthorization(credentials) } : {};
}

/** The value of an `Authorization` header for the basic scheme (RFC 7617). */
export function basicAuthorization({ username, password }: Credentials): string {
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
