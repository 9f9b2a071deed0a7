import { formatBitRate } from '../format-figures.ts';

/** What was measured, in bytes per second; undefined for what could not be. */
export interface PathSpeeds {
  /** What the path between here and the cache carries. */
  readonly path: number | undefined;
  /** How fast a blob comes from the cache. */
  readonly cache: number | undefined;
  /** How fast one comes from the CDN. */
  readonly cdn: number | undefined;
}

/** What one rule says of the figures. */
export interface Finding {
  readonly rule: 'the path is the limit' | 'the cache’s machine is the limit' | 'the path is likely the bottleneck';
  /** Undefined when a figure is missing. */
  readonly applies: boolean | undefined;
  readonly text: string;
}

const closePart = 0.8; // protocols and other traffic take some part of every path
const muchPart = 0.5; // twice as much is no accident

/** Applies the three rules by which such figures are understood. */
export function interpretPaths({ path, cache, cdn }: PathSpeeds): readonly Finding[] {
  return [pathIsLimit(path, cache), machineIsLimit(path, cache), pathIsBottleneck({ path, cache, cdn })];
}

function pathIsLimit(path: number | undefined, cache: number | undefined): Finding {
  const rule = 'the path is the limit';
  if (path === undefined || cache === undefined) return unknown(rule, path, cache);
  const figures = `the cache sends ${formatBitRate(cache)}, and the path carries ${formatBitRate(path)}`;
  return cache >= closePart * path
    ? {
        rule,
        applies: true,
        text: `${figures}: ${cache > path ? 'all of it' : 'close to it'}, so the path to the cache is the limit`,
      }
    : { rule, applies: false, text: `${figures}: the path could carry more` };
}

function machineIsLimit(path: number | undefined, cache: number | undefined): Finding {
  const rule = 'the cache’s machine is the limit';
  if (path === undefined || cache === undefined) return unknown(rule, path, cache);
  const part = `the cache sends ${Math.round((cache / path) * 100)} % of what the path carries`;
  return cache < muchPart * path
    ? { rule, applies: true, text: `${part}: look at its network card, cable, switch, processor and disk` }
    : { rule, applies: false, text: `${part}: that is not much less` };
}

function pathIsBottleneck({ path, cache, cdn }: PathSpeeds): Finding {
  const rule = 'the path is likely the bottleneck';
  if (cdn === undefined || cache === undefined) return unknown(rule, cdn, cache, 'the CDN');
  const figures = `the CDN sends ${formatBitRate(cdn)}, and the cache ${formatBitRate(cache)}`;
  if (cache >= muchPart * cdn) return { rule, applies: false, text: `${figures}: that is not much more` };
  // Both rules go by the cache's figure alone; what the path carries tells them apart.
  if (path !== undefined && cache < muchPart * path) {
    return {
      rule,
      applies: false,
      text: `${figures}: much more, but the path carries ${formatBitRate(path)}, so it is the cache’s machine`,
    };
  }
  return { rule, applies: true, text: `${figures}: much more, so the path to the cache is likely the bottleneck` };
}

function unknown(
  rule: Finding['rule'],
  other: number | undefined,
  cache: number | undefined,
  name = 'the path',
): Finding {
  const missing = [...(other === undefined ? [name] : []), ...(cache === undefined ? ['the cache'] : [])];
  return { rule, applies: undefined, text: `cannot be told without a figure of ${missing.join(' and ')}` };
}
