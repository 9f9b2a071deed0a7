import { type Bar, type ChartStyle, renderChart } from '../chart.ts';
import { formatByteRate, formatSeconds } from '../format-figures.ts';
import { nameOfSource } from '../pullers/puller.ts';
import { type RegistrySide, sourceAt } from '../registry-side.ts';
import type { Statistics } from '../statistics.ts';
import { type BenchKind, type BenchLeg, type BenchPlan, type BenchResult, benchKinds, type Measured } from './bench.ts';

/** What is going to be measured, in words. */
export function planText(plan: BenchPlan, notes: readonly string[]): string {
  const { upstream, cache, tag, puller, pulls, pruneBetween } = plan;
  const name = (side: RegistrySide) => nameOfSource(sourceAt(side, tag));
  const again = pruneBetween
    ? 'before every pull'
    : 'before the first pull of each kind; the others find it there, and ask whether it is still the right one';
  const removal = puller.keepsImages ? [`The image is removed from it ${again}.`] : [];
  return [
    `${name(upstream)} from upstream, and ${name(cache)} from the cache`,
    `Pulled by ${puller.name}, ${pulls === 1 ? 'once' : `${pulls} times`} each way. ${removal.join('')}`.trimEnd(),
    'What the cache does not have yet, it fetches for the first pull.',
    ...notes.map((note) => `Note: ${note}.`),
    '',
  ].join('\n');
}

/** One thing that was measured, in a line. */
export function measuredText({ kind, from, round, rounds, result }: Measured, blobBytes: number): string {
  const what = `[${kind}] ${from} ${round}/${rounds}`;
  if ('failure' in result) return `${what}: failed: ${result.failure}\n`;
  const { ms, layersHeld } = result;
  const seconds = ms / 1000;
  const rate = kind === 'blob download' ? `, ${formatByteRate(blobBytes / seconds)}` : '';
  const held =
    layersHeld === 0
      ? ''
      : `, with ${layersHeld} ${layersHeld === 1 ? 'layer' : 'layers'} that another image has: not a whole pull`;
  return `${what}: ${formatSeconds(seconds)}${rate}${held}\n`;
}

/** How the figures of one kind are written. */
function formatOf(kind: BenchKind): (figure: number) => string {
  return kind === 'blob download' ? formatByteRate : formatSeconds;
}

const columns = ['avg', 'median', 'p95', 'min', 'max'] as const satisfies readonly (keyof Statistics)[];

/** What was measured, summed up: figures, and a chart of their medians. */
export function summaryText({ legs, removed, left }: BenchResult, { puller }: BenchPlan, style: ChartStyle): string {
  const figures = legs.flatMap(summaryLine);
  const charts = benchKinds.flatMap((kind) => chartOf(kind, legs, style));
  const gone = removed.length === 0 ? [] : [`Removed from ${puller.name}: ${removed.join(', ')}`];
  const stuck = left.map((what) => `Cannot remove from ${puller.name} what was pulled: ${what}`);
  return `${['[summary]', ...figures, '', ...charts, ...gone, ...stuck].join('\n').trimEnd()}\n`;
}

function summaryLine({ kind, from, summary, failures }: BenchLeg): string[] {
  const format = formatOf(kind);
  const told = summary ? columns.map((column) => `${column} ${format(summary[column])}`).join('  ') : 'no figure';
  const failed = failures.length === 0 ? '' : `  failed ${failures.length}`;
  return [`${`${kind}, ${from}:`.padEnd(26)}${told}${failed}`];
}

function chartOf(kind: BenchKind, legs: readonly BenchLeg[], style: ChartStyle): string[] {
  const bars = legs.flatMap(({ kind: its, from, summary }): Bar[] => {
    if (its !== kind || !summary) return [];
    return [{ label: from, value: summary.median, text: formatOf(kind)(summary.median) }];
  });
  if (bars.length === 0) return [];
  return [`${kind}, median${kind === 'blob download' ? ' (more is better)' : ''}`, renderChart(bars, style)];
}

/** The same for programs. */
export function benchJson({ image, blob, legs, removed, left, isBrokenOff }: BenchResult, plan: BenchPlan) {
  const { upstream, cache, tag, puller, pulls, pruneBetween } = plan;
  return {
    client: puller.name,
    upstream: nameOfSource(sourceAt(upstream, tag)),
    cache: nameOfSource(sourceAt(cache, tag)),
    digest: image.digest,
    blob,
    pulls,
    pruneBetween,
    measured: legs.map(({ kind, from, figures, summary, failures }) => ({
      ...{ kind, from, unit: kind === 'blob download' ? 'bytesPerSecond' : 'seconds', figures },
      ...(summary === undefined ? {} : { summary }),
      failures,
    })),
    removed,
    left,
    isBrokenOff,
  };
}
