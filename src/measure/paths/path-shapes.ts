/** How a path is measured: by so many connections at a time, one way. */
export interface PathShape {
  readonly name: string;
  readonly direction: 'to the cache' | 'from the cache';
  readonly streams: number;
}

/** What is measured of a path, as iperf3 does by itself, with `-P 4` and with `-R -P 4`. */
export const pathShapes: readonly PathShape[] = [
  { name: 'single', direction: 'to the cache', streams: 1 },
  { name: 'parallel', direction: 'to the cache', streams: 4 },
  { name: 'reverse', direction: 'from the cache', streams: 4 },
];

/** What one of them came to. */
export interface PathFigure {
  readonly shape: PathShape;
  readonly result: { readonly bytesPerSecond: number } | { readonly failure: string };
}

/** A path, measured. */
export interface MeasuredPath {
  /** What measured it; undefined when nothing could. */
  readonly by: 'iperf3' | 'the cache’s own /throughput' | undefined;
  readonly figures: readonly PathFigure[];
  /** Why it was measured so, or not at all. */
  readonly notes: readonly string[];
}

/**
 * Measures every shape, or those before the first that comes to undefined. A signal that fires ends it with what was
 * measured until then.
 * @throws the signal's reason when that is nothing
 */
export async function measureShapes(
  measure: (shape: PathShape) => Promise<PathFigure['result'] | undefined>,
  signal: AbortSignal,
): Promise<PathFigure[]> {
  const figures: PathFigure[] = [];
  for (const shape of pathShapes) {
    try {
      const result = await measure(shape);
      if (result === undefined) break;
      figures.push({ shape, result });
    } catch (error) {
      if (!signal.aborted || figures.length === 0) throw error;
      break;
    }
  }
  return figures;
}

/** How much the path carries the way that blobs come; of those figures that there are, the best. */
export function capacityOf({ figures }: MeasuredPath): number | undefined {
  const rates = (those: readonly PathFigure[]) =>
    those.flatMap(({ result }) => ('bytesPerSecond' in result ? [result.bytesPerSecond] : []));
  const from = rates(figures.filter(({ shape }) => shape.direction === 'from the cache'));
  const all = from.length > 0 ? from : rates(figures);
  return all.length === 0 ? undefined : Math.max(...all);
}
