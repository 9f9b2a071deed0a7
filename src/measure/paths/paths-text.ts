import { formatBitRate, formatByteRate } from '../format-figures.ts';
import type { Downloads, PathsEvent, PathsPlan, PathsResult } from './compare-paths.ts';
import type { MeasuredPath, PathShape } from './path-shapes.ts';

/** Something that was measured, in lines. */
export function pathsEventText(event: PathsEvent): string {
  if (event.kind === 'path') return pathText(event.path);
  const { from, run, runs, result } = event;
  return `[download] ${from} ${run}/${runs}: ${'failure' in result ? `failed: ${result.failure}` : rates(result.bytesPerSecond)}\n`;
}

function pathText({ by, figures, notes }: MeasuredPath): string {
  const lines = figures.map(({ shape, result }) => {
    const told = 'failure' in result ? `failed: ${result.failure}` : formatBitRate(result.bytesPerSecond);
    return `[path] ${describeShape(shape)}, by ${by}: ${told}\n`;
  });
  return [...notes.map((note) => `[path] ${note}\n`), ...lines].join('');
}

function describeShape({ direction, streams }: PathShape): string {
  return `${direction}, ${streams === 1 ? '1 connection' : `${streams} connections`}`;
}

function rates(bytesPerSecond: number): string {
  return `${formatBitRate(bytesPerSecond)} (${formatByteRate(bytesPerSecond)})`;
}

/** What was measured, summed up, and what it means. */
export function pathsSummaryText({ cache, cdn, findings }: PathsResult, { cdnName }: PathsPlan): string {
  const line = (name: string, { average, failures }: Downloads) => {
    const failed = failures.length === 0 ? '' : `, failed ${failures.length}`;
    return `${name}: ${average === undefined ? 'no figure' : `avg ${rates(average)}`}${failed}`;
  };
  const words = findings.map(({ rule, applies, text }) => {
    const verdict = { true: 'yes', false: 'no', undefined: 'unknown' }[String(applies)];
    return `- ${rule}? ${verdict}: ${text}`;
  });
  return `${['[summary]', line('cache', cache), line(`CDN (${cdnName})`, cdn), '', '[interpretation]', ...words].join('\n')}\n`;
}

/** The same for programs. */
export function pathsJson({ path, cache, cdn, findings, isBrokenOff }: PathsResult, plan: PathsPlan) {
  const figures = path?.figures.map(({ shape, result }) => ({ ...shape, ...result }));
  return {
    cache: plan.cache.host,
    cdn: plan.cdnName,
    blob: plan.blob,
    runs: plan.runs,
    unit: 'bytesPerSecond',
    ...(path === undefined ? {} : { path: { by: path.by, figures, notes: path.notes } }),
    downloads: { cache, cdn },
    interpretation: findings,
    isBrokenOff,
  };
}
