import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../../../src/util/time/clock.ts';
import { type Answer, errorAnswer, jsonAnswer } from './answer.ts';
import type { Quirks } from './quirks.ts';

/** How a test registry hands out tokens. */
export interface BearerAuth {
  readonly kind: 'bearer';
  /** The one user there is; nobody can log in without. */
  readonly username?: string;
  readonly password?: string;
  /** More users, each with the guarded repositories that it may read. */
  readonly readers?: Readonly<Record<string, Reader>>;
  /** Whether its tokens say themselves when they end. */
  readonly jwt?: boolean;
  /** What stands for the user, too, when it is posted in a form (OAuth 2's refresh token). */
  readonly identityToken?: string;
  /** The repositories that only the user may read. The set may change while the registry runs. */
  readonly guarded?: ReadonlySet<string>;
  /** With false, nobody gets a token without credentials. */
  readonly anonymous?: boolean;
  /** 300 s unless said otherwise, as at Docker Hub. */
  readonly tokenLifetimeMs?: number;
  /** Serves tokens on a second server, at this address of loopback, instead of on the registry's own. */
  readonly tokenHost?: string;
  /** The realm that challenges name, when it is not where tokens are served. */
  readonly realm?: string;
}

/** A user who may read some guarded repositories. */
export interface Reader {
  readonly password: string;
  readonly repositories: readonly string[];
}

interface IssuedToken {
  readonly expiresAtMs: number;
  readonly repositories: ReadonlySet<string>;
}

const defaultLifetimeMs = 300_000;

/** The token server of a registry: issues tokens, and knows what each is good for. */
export class TokenServer {
  readonly #auth: BearerAuth;
  readonly #clock: Clock;
  readonly #isKnown: (repository: string) => boolean;
  readonly #tokens = new Map<string, IssuedToken>();
  #issuedCount = 0;

  constructor(auth: BearerAuth, clock: Clock, isKnown: (repository: string) => boolean) {
    this.#auth = auth;
    this.#clock = clock;
    this.#isKnown = isKnown;
  }

  /** How many tokens were issued. */
  get issued(): number {
    return this.#issuedCount;
  }

  /** Makes every token that was issued so far invalid. */
  expireTokens(): void {
    this.#tokens.clear();
  }

  /** Answers a request for a token. Whoever may not have what they ask for gets a token without it, as at Docker Hub. */
  answer(headers: IncomingHttpHeaders, query: URLSearchParams, quirks: Quirks): Answer {
    const { authorization } = headers;
    const { username, password, anonymous = true } = this.#auth;
    const isUser = username !== undefined && authorization === basicAuthorization(username, password ?? '');
    const reader = Object.entries(this.#auth.readers ?? {}).find(
      ([name, { password }]) => authorization === basicAuthorization(name, password),
    )?.[1];
    if (!isUser && !reader && (authorization !== undefined || !anonymous)) {
      return errorAnswer(401, 'UNAUTHORIZED', 'incorrect username or password');
    }
    return this.#issueFor(isUser, query.getAll('scope'), quirks, reader?.repositories);
  }

  /** Answers a form that was posted, as OAuth 2 has it. */
  answerForm(form: URLSearchParams, quirks: Quirks): Answer {
    const { identityToken } = this.#auth;
    if (form.get('grant_type') === 'password') {
      const reader = this.#auth.readers?.[form.get('username') ?? ''];
      if (reader === undefined || reader.password !== form.get('password')) {
        return errorAnswer(401, 'UNAUTHORIZED', 'incorrect username or password');
      }
      return this.#issueFor(false, form.getAll('scope'), quirks, reader.repositories);
    }
    const isUser = form.get('grant_type') === 'refresh_token' && form.get('refresh_token') === identityToken;
    if (!isUser || !form.get('client_id')) return errorAnswer(401, 'UNAUTHORIZED', 'invalid refresh token');
    return this.#issueFor(true, form.getAll('scope'), quirks);
  }

  #issueFor(isUser: boolean, scopes: readonly string[], quirks: Quirks, own: readonly string[] = []): Answer {
    const wanted = scopes.flatMap((scope) => repositoryOfScope(scope) ?? []);
    const mayPull = (repository: string) =>
      isUser ||
      own.includes(repository) ||
      (!this.#auth.guarded?.has(repository) && !(quirks.hidesUnknownRepositories && !this.#isKnown(repository)));
    return this.#issue(new Set(wanted.filter(mayPull)), quirks);
  }

  /** What an `Authorization` is worth for a repository, or for `/v2/` when it is empty. */
  check(authorization: string | undefined, repository: string): 'good' | 'missing' | 'invalid' | 'insufficient' {
    if (authorization === undefined) return 'missing';
    const token = this.#tokens.get(authorization.replace(/^Bearer /i, ''));
    if (token === undefined || this.#clock.now() >= token.expiresAtMs) return 'invalid';
    return repository === '' || token.repositories.has(repository) ? 'good' : 'insufficient';
  }

  #issue(repositories: ReadonlySet<string>, quirks: Quirks): Answer {
    const { tokenLifetimeMs = defaultLifetimeMs } = this.#auth;
    const nowMs = this.#clock.now();
    const name = `test-token-${++this.#issuedCount}`;
    const expiresAtMs = nowMs + tokenLifetimeMs;
    const claims = Buffer.from(JSON.stringify({ jti: name, exp: Math.floor(expiresAtMs / 1000) })).toString(
      'base64url',
    );
    const token = this.#auth.jwt ? `e30.${claims}.${name}` : name;
    this.#tokens.set(token, { expiresAtMs, repositories });
    return jsonAnswer(200, {
      ...(quirks.accessTokenOnly ? {} : { token }),
      access_token: token,
      ...(quirks.noExpiresIn ? {} : { expires_in: Math.floor(tokenLifetimeMs / 1000) }),
      issued_at: new Date(nowMs).toISOString(),
    });
  }
}

/** The header of a user and password. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function repositoryOfScope(scope: string): string | undefined {
  const [, repository, actions = ''] = /^repository:(.+):([^:]*)$/.exec(scope) ?? [];
  return actions.split(',').includes('pull') ? repository : undefined;
}
