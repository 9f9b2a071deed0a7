/** What some figures come to. */
export interface Statistics {
  readonly count: number;
  readonly avg: number;
  readonly median: number;
  /** The smallest figure that is not below 95 of 100: of few figures, the largest. */
  readonly p95: number;
  readonly min: number;
  readonly max: number;
}

/** Sums figures up; undefined when there are none. */
export function summarize(figures: readonly number[]): Statistics | undefined {
  const sorted = [...figures].sort((a, b) => a - b);
  const [min] = sorted;
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) return undefined;
  const avg = sorted.reduce((sum, figure) => sum + figure, 0) / sorted.length;
  return { count: sorted.length, avg, median: medianOf(sorted), p95: rankOf(sorted, 0.95), min, max };
}

function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length / 2;
  if (!Number.isInteger(middle)) return sorted[Math.floor(middle)] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

function rankOf(sorted: readonly number[], part: number): number {
  return sorted[Math.ceil(part * sorted.length) - 1] ?? Number.NaN;
}
