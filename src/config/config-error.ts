/** One thing that is wrong with the configuration. */
export interface Problem {
  /** Where it was given: file and line, a variable or a flag. */
  readonly where: string;
  /** What is wrong, in one clause. */
  readonly what: string;
  /** What to do about it. */
  readonly advice: string;
}

/** Takes a problem note of: reading goes on, so that all of them are told at once. */
export type Report = (problem: Problem) => void;

/** The configuration cannot be used. The message lists every problem, one to a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    super([`Cannot use the configuration: it has ${count}`, ...problems.map(describeProblem)].join('\n  '));
    this.problems = problems;
  }
}

function describeProblem({ where, what, advice }: Problem): string {
  return `${where}: ${what}: ${advice}`;
}

/** A value as a message may show it: short, and without the credentials that a URL may carry. */
export function quoteValue(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a group of keys';
  const text = String(value).replace(/\/\/.*@/, '//[redacted]@');
  return `"${text.length > maxQuotedLength ? `${text.slice(0, maxQuotedLength)}…` : text}"`;
}

const maxQuotedLength = 100; // enough to recognize a value by
