/** The users of a file, and the bcrypt hash of each one's password. */
export type Users = ReadonlyMap<string, string>;

/** Words that rules use for others than users. */
export const reservedNames: ReadonlySet<string> = new Set(['anonymous', 'authenticated']);

const bcryptPattern = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const minCost = 4; // bcrypt's own
// A second or so for each login; one more doubles it, and nobody gets in any more while another's password is looked at.
const maxCost = 14;
const maxNameLength = 255;
const maxTold = 5; // problems: who mends these finds the others by them

/** What other hashes begin with, by the name that people know them by. */
const otherHashes: readonly (readonly [start: RegExp, name: string])[] = [
  [/^\$apr1\$/, 'MD5 (apr1)'],
  [/^\{SHA\}/i, 'SHA-1'],
  [/^\$1\$/, 'MD5'],
  [/^\$5\$/, 'SHA-256'],
  [/^\$6\$/, 'SHA-512'],
  [/^\$y\$/, 'yescrypt'],
  [/^\$argon2/, 'Argon2'],
  [/^\$2/, 'bcrypt of a form that is not known'],
];

/**
 * Reads a file of `name:hash` lines, as `htpasswd -B` writes it. Empty lines, and those that begin with `#`, do not count.
 * @throws Error that tells each wrong line by its number, and nothing of what stands there
 */
export function parseHtpasswd(text: string): Users {
  const users = new Map<string, string>();
  const lineOf = new Map<string, number>();
  const problems: string[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const entry = line.trim();
    if (entry === '' || entry.startsWith('#')) continue;
    const colon = entry.indexOf(':');
    const name = entry.slice(0, Math.max(0, colon));
    const hash = entry.slice(colon + 1);
    const first = lineOf.get(name);
    const problem =
      problemOf(name, hash) ?? (first === undefined ? undefined : `it has the same user as line ${first}`);
    if (problem !== undefined) problems.push(`line ${index + 1}: ${problem}`);
    lineOf.set(name, first ?? index + 1);
    users.set(name, hash);
  }
  if (problems.length === 0) return users;
  const more = problems.length > maxTold ? [`and ${problems.length - maxTold} more`] : [];
  throw new Error([...problems.slice(0, maxTold), ...more].join('; '));
}

function problemOf(name: string, hash: string): string | undefined {
  if (name === '') return 'it is not of the form name:hash';
  if (name.length > maxNameLength) return `its name is longer than ${maxNameLength} characters`;
  if (reservedNames.has(name)) return `"${name}" cannot be the name of a user, as rules use the word for others`;
  const cost = bcryptPattern.exec(hash)?.[1];
  if (cost === undefined) return `${kindOf(hash)}; htpasswd -B writes what is taken here`;
  if (Number(cost) < minCost || Number(cost) > maxCost) {
    return `its bcrypt cost is ${Number(cost)}, which is none of ${minCost} to ${maxCost}`;
  }
  return undefined;
}

function kindOf(hash: string): string {
  const kind = otherHashes.find(([start]) => start.test(hash))?.[1];
  if (kind === undefined) return 'what follows the name is no bcrypt hash';
  return `its hash is ${kind}, and only bcrypt is taken`;
}
