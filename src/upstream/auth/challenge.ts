/** One way in which a server wants to be authenticated to: a scheme, in lower case, and its parameters. */
export interface Challenge {
  readonly scheme: string;
  /** Parameters by lower-case name; for a scheme with a bare token (`Negotiate abc=`) there are none. */
  readonly parameters: ReadonlyMap<string, string>;
}

// The grammar is RFC 9110's, 11.6.1 and 5.6.2. It is read by a scanner: a comma separates challenges as well as
// parameters, and stands within quoted values (`scope="repository:x:pull,push"`), so splitting by it goes wrong.
const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const token68 = /[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$))/y;
const quoted = /"((?:[^"\\]|\\.)*)"/sy;
const blanks = /[ \t]*/y;
const separators = /[ \t,]*/y;

/**
 * Reads a `WWW-Authenticate` header. What cannot be read ends the reading: the challenges before it stand.
 */
export function parseChallenges(header: string): Challenge[] {
  const scanner = scan(header);
  const challenges: Challenge[] = [];
  for (;;) {
    scanner.take(separators);
    const scheme = scanner.take(token);
    if (scheme === undefined) return challenges;
    scanner.take(blanks);
    const parameters = new Map<string, string>();
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
    if (scanner.looksLikeParameter()) readParameters(scanner, parameters);
    else scanner.take(token68);
  }
}

function readParameters(scanner: Scanner, parameters: Map<string, string>): void {
  do {
    const name = scanner.take(token)!;
    scanner.take(/[ \t]*=[ \t]*/y);
    const value = scanner.capture(quoted)?.replace(/\\(.)/gs, '$1') ?? scanner.take(token);
    if (value === undefined) return;
    if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), value);
    scanner.take(separators);
  } while (scanner.looksLikeParameter());
}

interface Scanner {
  /** Passes over what the sticky pattern matches here, and returns it. */
  take(pattern: RegExp): string | undefined;
  /** The same, but returns the first group. */
  capture(pattern: RegExp): string | undefined;
  /** Whether a name and an equals sign, but no padding of a bare token, come next. */
  looksLikeParameter(): boolean;
}

function scan(text: string): Scanner {
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text) ?? undefined;
    if (found) at += found[0].length;
    return found;
  };
  const parameter = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*=[ \t]*(?!=|,|$)/y;
  return {
    take: (pattern) => match(pattern)?.[0],
    capture: (pattern) => match(pattern)?.[1],
    looksLikeParameter: () => {
      parameter.lastIndex = at;
      return parameter.test(text);
    },
  };
}
