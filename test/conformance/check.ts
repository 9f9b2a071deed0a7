/** Something that is checked, and its place in the table. */
export interface Check {
  readonly row: string;
  readonly column: string;
  /** Rejects when it does not hold. */
  run(): Promise<void>;
}

/** How a check ended. */
export type Outcome = { readonly kind: 'passed' } | { readonly kind: 'failed'; readonly reason: string };

/** What became of checks, by row and column. */
export type Results = ReadonlyMap<string, ReadonlyMap<string, Outcome>>;

/** Runs checks, one after the other: the later ones of a row rest on those before. */
export async function runChecks(checks: readonly Check[]): Promise<Results> {
  const results = new Map<string, Map<string, Outcome>>();
  for (const { row, column, run } of checks) {
    const outcomes = results.get(row) ?? new Map<string, Outcome>();
    results.set(row, outcomes);
    outcomes.set(column, await outcomeOf(run));
  }
  return results;
}

async function outcomeOf(run: () => Promise<void>): Promise<Outcome> {
  try {
    await run();
    return { kind: 'passed' };
  } catch (error) {
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }
}
