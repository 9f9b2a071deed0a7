import type { DoorName, Identity, RepositoryOf, Verb } from './access.ts';

/** Allows some people some things with some repositories, by some doors. */
export interface AccessRule {
  /** Names; `authenticated` for everybody with a password, `anonymous` for everybody. */
  readonly users: readonly string[];
  readonly doors: readonly DoorName[];
  /** Match the registry's name and the repository's, with a slash between. */
  readonly repositories: readonly RegExp[];
  readonly allow: readonly Verb[];
}

/** What holds when there are passwords and no rules: everybody who has one may do all, and nobody else anything. */
export const usersMayAll: readonly AccessRule[] = [
  {
    users: ['authenticated'],
    doors: ['registry', 'hosted', 'proxy'],
    repositories: [/^/],
    allow: ['pull', 'push', 'delete'],
  },
];

/** Whether any rule allows it. */
export function mayByRules(
  rules: readonly AccessRule[],
  identity: Identity,
  door: DoorName,
  verb: Verb,
  { registry, repository }: RepositoryOf,
): boolean {
  const name = `${registry}/${repository}`;
  return rules.some(
    ({ users, doors, repositories, allow }) =>
      allow.includes(verb) &&
      doors.includes(door) &&
      isAmong(identity, users) &&
      repositories.some((pattern) => pattern.test(name)),
  );
}

/** Whether any rule allows everybody anything at a door. */
export function isOpenByRules(rules: readonly AccessRule[], door: DoorName): boolean {
  return rules.some(({ users, doors }) => doors.includes(door) && users.includes('anonymous'));
}

function isAmong({ user }: Identity, users: readonly string[]): boolean {
  if (users.includes('anonymous')) return true;
  return user !== undefined && (users.includes('authenticated') || users.includes(user));
}
