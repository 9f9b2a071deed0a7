import { isNotFound, isTemporary, RegistryError } from '../../../oci/errors.ts';
import { parseRepository, type Repository } from '../../../oci/reference.ts';
import {
  anonymousToken,
  isWithoutLogin,
  scopedRepositories,
  type TokenAnswer,
  type TokenRequest,
  tokenParameters,
} from '../../../oci/wire/token.ts';
import type { Clock } from '../../../util/time/clock.ts';
import type { GuardMode } from '../decide.ts';
import type { RepositoryKinds } from '../kinds/repository-kinds.ts';
import { FailedLogins } from './failed-logins.ts';

/** An upstream whose token server clients may log in at. */
export interface LoginUpstream {
  /** The same challenge, naming a place here in place of the token server; undefined when that is none to be passed on to. */
  renameRealm(challenge: string, place: string): string | undefined;
  /** Passes a token request on to the token server that was named so. @throws RegistryError; NOT_FOUND when none was */
  passOnLogin(id: string, request: TokenRequest, signal: AbortSignal): Promise<TokenAnswer>;
}

/** What token requests are answered with. */
export interface ClientTokensOptions {
  readonly mode: GuardMode;
  readonly kinds: Pick<RepositoryKinds, 'learn'>;
  readonly upstream: LoginUpstream;
  /** How upstream wants to be authenticated to, which lets it name its token server; undefined when it does not say so. */
  readonly challenge: (signal: AbortSignal) => Promise<string | undefined>;
  readonly clock: Clock;
}

const lifeSeconds = 300; // as at Docker Hub
const standInSeconds = 60; // the least that clients take: who has a login is to try it again soon

/**
 * Stands in for the token server of an upstream. Who does not log in needs none to read what is open, so it is answered
 * here; who does, there.
 */
export class ClientTokens {
  readonly #options: ClientTokensOptions;
  readonly #failures: FailedLogins;

  constructor(options: ClientTokensOptions) {
    this.#options = options;
    this.#failures = new FailedLogins(options.clock);
  }

  /** See `LoginUpstream`. */
  renameRealm(challenge: string, place: string): string | undefined {
    return this.#options.upstream.renameRealm(challenge, place);
  }

  /**
   * Answers a token request.
   * @param id which token server is meant, as its place ended
   * @throws RegistryError UNAVAILABLE when the token server cannot be asked, and NOT_FOUND when there is no such
   */
  async answer(id: string, request: TokenRequest, signal: AbortSignal): Promise<TokenAnswer> {
    if (isWithoutLogin(request) && !(await this.#isGuarded(request))) return this.#anonymous(lifeSeconds);
    const answer = await this.#passOn(id, request, signal);
    return answer === undefined || (answer.status >= 500 && mayStandIn(request))
      ? this.#anonymous(standInSeconds)
      : answer;
  }

  /** The token server's answer; undefined when it cannot be asked, and the client can do without. */
  async #passOn(id: string, request: TokenRequest, signal: AbortSignal): Promise<TokenAnswer | undefined> {
    const failures = this.#failures;
    const key = failures.keyOf(request);
    const known = failures.find(key);
    try {
      if (known) throw known;
      const answer = await this.#passOnNow(id, request, signal);
      failures.answered(key);
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (!isTemporary(error)) throw error;
      if (error !== known) failures.failed(key, error as RegistryError);
      if (!mayStandIn(request)) throw error;
      return undefined;
    }
  }

  /** Clients that learnt the place before a restart know more than we do, until upstream is asked. */
  async #passOnNow(id: string, request: TokenRequest, signal: AbortSignal): Promise<TokenAnswer> {
    const { upstream, challenge } = this.#options;
    try {
      return await upstream.passOnLogin(id, request, signal);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      if ((await challenge(signal)) !== undefined) return upstream.passOnLogin(id, request, signal);
      throw new RegistryError('UNAVAILABLE', 'Cannot log in: upstream does not say where', { cause: error });
    }
  }

  /** Whether what is asked for is not simply open: then upstream's own token for nobody may be good for something. */
  async #isGuarded(request: TokenRequest): Promise<boolean> {
    const { mode, kinds } = this.#options;
    if (mode === 'always') return true;
    for (const name of scopedRepositories(request)) {
      const repository = repositoryIn(name);
      if (repository !== undefined && (await kinds.learn(repository)) === 'guarded') return true;
    }
    return false;
  }

  #anonymous(seconds: number): TokenAnswer {
    const issuedAt = new Date(this.#options.clock.now()).toISOString();
    const answer = { token: anonymousToken, access_token: anonymousToken, expires_in: seconds, issued_at: issuedAt };
    return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(answer)) };
  }
}

/**
 * Whether a client that wants to log in can go on as one that has not: it wants to read something, which may be open.
 * `docker login` and its like want to know whether the login is right, and to keep what they get for it.
 */
function mayStandIn(request: TokenRequest): boolean {
  const isKept =
    tokenParameters(request, 'offline_token').includes('true') ||
    tokenParameters(request, 'access_type').includes('offline');
  return !isKept && scopedRepositories(request).length > 0;
}

function repositoryIn(name: string): Repository | undefined {
  try {
    return parseRepository(name);
  } catch {
    return undefined; // no repository has such a name
  }
}
