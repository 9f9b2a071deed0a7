import { createHmac, randomBytes } from 'node:crypto';
import type { RegistryError } from '../../../oci/errors.ts';
import { isWithoutLogin, loginIn, type TokenRequest, tokenParameters } from '../../../oci/wire/token.ts';
import { type Clock, isWithin } from '../../../util/time/clock.ts';

// For so long a token server that could not be asked is not waited for again.
const restMs = 10_000;

// One login alone may be what the server breaks off at, or answers with more than is read. When so many fail one after
// the other, and none is answered between them, it is the server.
const telling = 3;

// Of each some hundred bytes; they are forgotten after `restMs` anyhow.
const maxCount = 1_000;

interface Failure {
  readonly error: RegistryError;
  readonly sinceMs: number;
}

/** The logins that a token server could not be asked with a moment ago. They are in memory only, as keyed hashes. */
export class FailedLogins {
  readonly #clock: Clock;
  readonly #secret = randomBytes(32);
  readonly #byLogin = new Map<string, Failure>();
  /** Those that failed since one was answered. */
  #inARow = new Set<string>();
  /** What all fail with for now. */
  #ofAll: Failure | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Tells one login from others. Of those who have none, what they ask for: they share nothing else. */
  keyOf(request: TokenRequest): string {
    const { authorization, query, form } = request;
    const secrets = loginParameters.map((name) => tokenParameters(request, name));
    const told = isWithoutLogin(request) ? [String(query), String(form ?? '')] : [loginIn(authorization), secrets];
    return createHmac('sha256', this.#secret).update(JSON.stringify(told)).digest('base64');
  }

  /** What a login fails with without being tried; undefined when it is to be. */
  find(key: string): RegistryError | undefined {
    const nowMs = this.#clock.now();
    const failures = [this.#ofAll, this.#byLogin.get(key)];
    return failures.find((failure) => failure !== undefined && isWithin(failure.sinceMs, restMs, nowMs))?.error;
  }

  /** Notes that the server could not be asked with a login. */
  failed(key: string, error: RegistryError): void {
    const failure = { error, sinceMs: this.#clock.now() };
    this.#byLogin.delete(key); // so that it stands at the end, as the youngest
    this.#byLogin.set(key, failure);
    if (this.#byLogin.size > maxCount) this.#byLogin.delete(this.#byLogin.keys().next().value!);
    if (this.#inARow.size < telling) this.#inARow.add(key);
    if (this.#inARow.size >= telling) this.#ofAll = failure;
  }

  /** Notes that the server answered a login, whatever it said. */
  answered(key: string): void {
    this.#byLogin.delete(key);
    this.#inARow = new Set();
    this.#ofAll = undefined;
  }
}

const loginParameters = ['username', 'password', 'refresh_token', 'assertion', 'client_secret'];
