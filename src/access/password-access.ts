import { RegistryError } from '../oci/errors.ts';
import type { Log } from '../util/log/log.ts';
import type { Clock } from '../util/time/clock.ts';
import { WatchedFile } from '../util/watched/watched-file.ts';
import type { Access } from './access.ts';
import { parseHtpasswd, reservedNames, type Users } from './passwords/htpasswd.ts';
import { type LoginResult, Logins, unauthorized } from './passwords/logins.ts';
import { PasswordChecker } from './passwords/password-checker.ts';
import { type AccessRule, isOpenByRules, mayByRules, usersMayAll } from './rules.ts';

/** Who has a password, and who may do what. */
export interface PasswordAccessOptions {
  /** The file of names and bcrypt hashes. */
  readonly htpasswd: string;
  /** Undefined for: whoever has a password may do all. */
  readonly rules: readonly AccessRule[] | undefined;
  readonly rememberForMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly counted: (result: LoginResult) => void;
}

/** An access that checks passwords; `close` ends its thread. */
export interface PasswordAccess extends Access {
  close(): Promise<void>;
}

/**
 * Opens the file of passwords.
 * @throws Error that names the file, and each wrong line by its number
 */
export async function openPasswordAccess(options: PasswordAccessOptions): Promise<PasswordAccess> {
  const { htpasswd: path, rules = usersMayAll, log, clock } = options;
  let hasStarted = false; // before, what is wrong with the file is the error of starting
  const file = new WatchedFile<Users>({
    path,
    parse: parseHtpasswd,
    clock,
    failed(reason) {
      if (hasStarted) log.warn({ path, reason }, 'htpasswd cannot be used, what it said before counts');
    },
  });
  const users = await readFirst(file, path);
  hasStarted = true;
  warnOfStrangers(rules, users, log, path);
  const checker = new PasswordChecker();
  const logins = new Logins({
    ...options,
    readUsers: (signal) => file.read(signal),
    checkPassword: (password, hash, signal) => checker.check(password, hash, signal),
  });
  return {
    identify: (authorization, address = '', signal) => logins.identify(authorization, address, signal),
    isStill: (identity, signal) => logins.isStill(identity, signal),
    may: (identity, door, verb, target) => mayByRules(rules, identity, door, verb, target),
    isOpen: (door) => isOpenByRules(rules, door),
    refuse(identity, verb, target) {
      const what = target === undefined ? '' : ` "${target.registry}/${target.repository}"`;
      if (identity.user === undefined) return unauthorized(`Cannot ${verb}${what} without a login`);
      return new RegistryError('DENIED', `Cannot ${verb}${what}: no rule allows it to "${identity.user}"`);
    },
    close: () => checker.close(),
  };
}

async function readFirst(file: WatchedFile<Users>, path: string): Promise<Users> {
  try {
    return await file.read(new AbortController().signal);
  } catch (cause) {
    throw new Error(`Cannot use auth.htpasswd "${path}": ${(cause as Error).message}`, { cause });
  }
}

/** A user may be added to the file later, so a rule for one who is not there is no error. */
function warnOfStrangers(rules: readonly AccessRule[], users: Users, log: Log, path: string): void {
  const named = new Set(rules.flatMap((rule) => rule.users));
  const strangers = [...named].filter((name) => !users.has(name) && !reservedNames.has(name));
  if (strangers.length > 0) log.warn({ users: strangers, path }, 'rules name users who are not in the htpasswd file');
}
