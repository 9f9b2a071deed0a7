import { RegistryError } from '../../oci/errors.ts';
import { clientPlace } from '../../util/client-place.ts';
import { singleFlight } from '../../util/locks/single-flight.ts';
import type { Log } from '../../util/log/log.ts';
import type { Clock } from '../../util/time/clock.ts';
import { type Identity, nobody } from '../access.ts';
import { isEmptyLogin, type Login, parseBasicLogin } from './basic-login.ts';
import type { Users } from './htpasswd.ts';
import { LoginDelays } from './login-delays.ts';
import { RememberedLogins } from './remembered-logins.ts';

/** What came of a login that bcrypt was asked for; `refused` when there were too many. */
export type LoginResult = 'proven' | 'wrong' | 'refused';

/** What logins are checked with. */
export interface LoginTools {
  /** The users as the file says now. */
  readUsers(signal: AbortSignal): Promise<Users>;
  /** Whether a hash is that of a password: it takes as long as bcrypt does. @throws RegistryError TOOMANYREQUESTS */
  checkPassword(password: string, hash: string, signal: AbortSignal): Promise<boolean>;
  /** For how long a password that was proven is not looked at again. */
  readonly rememberForMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Is told of every login but those that are remembered. */
  readonly counted: (result: LoginResult) => void;
}

const maxLoggedNameLength = 100; // a name may be anything, and as long as a header

/** Finds out who a client is by its name and password. */
export class Logins {
  readonly #tools: LoginTools;
  readonly #remembered: RememberedLogins;
  readonly #delays: LoginDelays;
  /** Of one client, the same login is tried once at a time: it is one guess, not as many as there are requests. */
  readonly #attempts = singleFlight<string | undefined>();
  readonly #checks = singleFlight<string | undefined>();
  /** The hash that each identity was proven against, for as long as anybody has that. */
  readonly #proofs = new WeakMap<Identity, string>();

  constructor(tools: LoginTools) {
    this.#tools = tools;
    this.#remembered = new RememberedLogins(tools.rememberForMs, tools.clock);
    this.#delays = new LoginDelays(tools.clock);
  }

  /**
   * Who sends a request with this header, from this address: nobody without one.
   * @throws RegistryError UNAUTHORIZED, TOOMANYREQUESTS; the signal's reason
   */
  async identify(authorization: string | undefined, address: string, signal: AbortSignal): Promise<Identity> {
    if (authorization === undefined) return nobody;
    const login = parseBasicLogin(authorization);
    if (login === undefined) throw unauthorized('Cannot read the login: it is not of the scheme Basic');
    if (isEmptyLogin(login)) return nobody;
    const { name } = login;
    const mac = this.#remembered.macOf(login);
    const known = this.#remembered.find(name, mac, await this.#tools.readUsers(signal));
    const key = `${mac.toString('base64')} ${clientPlace(address)}`;
    const hash =
      known ?? (await this.#attempts.run(key, signal, (shared) => this.#attempt(login, mac, address, shared)));
    if (hash === undefined) throw unauthorized('Cannot log in: the name or the password is wrong');
    const identity = { user: name };
    this.#proofs.set(identity, hash);
    return identity;
  }

  /**
   * Whether somebody's line in the file is the one that he was proven by.
   * @throws the signal's reason
   */
  async isStill(identity: Identity, signal: AbortSignal): Promise<boolean> {
    const { user } = identity;
    if (user === undefined) return true;
    const hash = this.#proofs.get(identity);
    return hash !== undefined && (await this.#tools.readUsers(signal)).get(user) === hash;
  }

  /** Gives the hash that the login was proven against; undefined when it is wrong. */
  async #attempt(login: Login, mac: Buffer, address: string, signal: AbortSignal): Promise<string | undefined> {
    const { log, counted } = this.#tools;
    const facts = { user: login.name.slice(0, maxLoggedNameLength), client: address };
    try {
      const attempt = await this.#delays.begin(login.name, address, signal);
      const hash = await this.#checks.run(mac.toString('base64'), signal, (all) => this.#check(login, mac, all));
      const isRight = hash !== undefined;
      if (isRight) attempt.succeeded();
      else attempt.failed();
      if (!isRight) log.warn(facts, 'login failed');
      counted(isRight ? 'proven' : 'wrong');
      return hash;
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'TOOMANYREQUESTS') {
        log.warn(facts, 'login refused unseen, there were too many');
        counted('refused');
      }
      throw error;
    }
  }

  async #check({ name, password }: Login, mac: Buffer, signal: AbortSignal): Promise<string | undefined> {
    const users = await this.#tools.readUsers(signal);
    const known = this.#remembered.find(name, mac, users);
    if (known !== undefined) return known; // since it began to wait
    const hash = users.get(name);
    const isRight = await this.#tools.checkPassword(password, hash ?? this.#someHash(name, users), signal);
    if (hash === undefined || !isRight) return undefined;
    this.#remembered.add(name, mac, hash);
    return hash;
  }

  /**
   * The hash of somebody, for who is not there: the answer takes as long as for a user then, so that nobody finds out
   * which users there are. Which one it is, always the same for a name, nobody can foresee.
   */
  #someHash(name: string, users: Users): string {
    const hashes = [...users.values()];
    return hashes[this.#remembered.macOf({ name, password: '' }).readUInt32BE() % hashes.length] ?? emptyFileHash;
  }
}

// Of a random password that nobody kept, for a file without users.
const emptyFileHash = '$2b$10$GTEmgni4k1nwtu0A0BpDG.MEzo3BbPknsMRQPwGKdrKzVXJ7JNcGu';

/** The realm, and nothing else, as some clients read no further. */
const challenge = 'Basic realm="Entrepot"';

/** The error that asks for a login. */
export function unauthorized(message: string): RegistryError {
  return new RegistryError('UNAUTHORIZED', message, { headers: { 'www-authenticate': challenge } });
}
