/** A value at a time, in seconds. */
export type Point = readonly [seconds: number, value: number];

/** One line of a panel: what a query gave for one series. */
export interface Line {
  readonly name: string;
  readonly points: readonly Point[];
}

/** The name of a line as Grafana makes it, of its format and the labels of the series. */
export function lineName(format: string, labels: Readonly<Record<string, string>>): string {
  return format.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '').trim();
}

/** Lines on top of each other: each with what it begins at, point by point. Where a line has no value it adds none. */
export function stackLines(lines: readonly Line[]): { readonly line: Line; readonly floor: readonly Point[] }[] {
  const heights = new Map<number, number>();
  return lines.map(({ name, points }) => {
    const known = points.filter(([, value]) => Number.isFinite(value));
    const floor = known.map(([seconds]) => [seconds, heights.get(seconds) ?? 0] as const);
    const top = known.map(([seconds, value]) => [seconds, (heights.get(seconds) ?? 0) + value] as const);
    for (const [seconds, value] of top) heights.set(seconds, value);
    return { line: { name, points: top }, floor };
  });
}

/** The parts of a line that have values without a gap; after one that is missing a new part begins. */
export function partsOf(points: readonly Point[], stepSeconds: number): Point[][] {
  const parts: Point[][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const point of points) {
    const [seconds, value] = point;
    if (!Number.isFinite(value)) continue;
    if (seconds - last > 1.5 * stepSeconds) parts.push([]);
    parts.at(-1)!.push(point);
    last = seconds;
  }
  return parts;
}

/** A line without the points that lie on the level of both their neighbours. */
export function withoutMiddles(points: readonly Point[]): Point[] {
  return points.filter(([, value], at) => points[at - 1]?.[1] !== value || points[at + 1]?.[1] !== value);
}
