import { downloadBlob } from '../download-blob.ts';
import type { ImageBlob } from '../image-contents.ts';
import type { RegistrySide } from '../registry-side.ts';
import { summarize } from '../statistics.ts';
import { type Finding, interpretPaths } from './interpret.ts';
import { capacityOf, type MeasuredPath } from './path-shapes.ts';

/** What is to be compared. */
export interface PathsPlan {
  readonly cache: RegistrySide;
  readonly blob: ImageBlob;
  readonly runs: number;
  /** What the CDN is, for people. */
  readonly cdnName: string;
  /** Measures the path; undefined for not doing it. */
  readonly path: ((signal: AbortSignal) => Promise<MeasuredPath>) | undefined;
  /** Downloads once from the CDN, and says how many bytes came per second. */
  cdn(signal: AbortSignal): Promise<number>;
}

/** What comparing works with. */
export interface PathsTools {
  nowMs(): number;
  /** Is told of everything that was measured, when it was. */
  measured(event: PathsEvent): void;
}

/** Something that was measured, or could not be. */
export type PathsEvent =
  | { readonly kind: 'path'; readonly path: MeasuredPath }
  | {
      readonly kind: 'download';
      readonly from: 'cache' | 'CDN';
      readonly run: number;
      readonly runs: number;
      readonly result: { readonly bytesPerSecond: number } | { readonly failure: string };
    };

/** All downloads of one side. */
export interface Downloads {
  readonly figures: readonly number[];
  /** Undefined when there are no figures. */
  readonly average: number | undefined;
  readonly failures: readonly string[];
}

/** What comparing came to. */
export interface PathsResult {
  /** Undefined when it was not asked for. */
  readonly path: MeasuredPath | undefined;
  readonly cache: Downloads;
  readonly cdn: Downloads;
  readonly findings: readonly Finding[];
  /** Whether it ended before all was measured, as it was asked to. */
  readonly isBrokenOff: boolean;
}

interface Noted {
  readonly figures: number[];
  readonly failures: string[];
}

/** Measures both paths. What fails is counted; a signal that fires ends it with what was measured until then. */
export async function comparePaths(plan: PathsPlan, tools: PathsTools, signal: AbortSignal): Promise<PathsResult> {
  const cache: Noted = { figures: [], failures: [] };
  const cdn: Noted = { figures: [], failures: [] };
  let path: MeasuredPath | undefined;
  try {
    path = await plan.path?.(signal);
    if (path) tools.measured({ kind: 'path', path });
    signal.throwIfAborted();
    await downloadAll(plan, { cache, cdn }, tools, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  const sides = { cache: summed(cache), cdn: summed(cdn) };
  const speeds = { path: path && capacityOf(path), cache: sides.cache.average, cdn: sides.cdn.average };
  return { path, ...sides, findings: interpretPaths(speeds), isBrokenOff: signal.aborted };
}

async function downloadAll(
  plan: PathsPlan,
  { cache, cdn }: { readonly cache: Noted; readonly cdn: Noted },
  tools: PathsTools,
  signal: AbortSignal,
): Promise<void> {
  // Once unmeasured: what the cache has yet to fetch itself says nothing of the path to it. Whether that fails is seen below.
  await fromCache(plan, tools, signal).catch(() => signal.throwIfAborted());
  for (let run = 1; run <= plan.runs; run++) {
    for (const [from, noted, download] of [
      ['cache', cache, () => fromCache(plan, tools, signal)],
      ['CDN', cdn, () => plan.cdn(signal)],
    ] as const) {
      const tell = (result: Extract<PathsEvent, { kind: 'download' }>['result']) =>
        tools.measured({ kind: 'download', from, run, runs: plan.runs, result });
      try {
        const bytesPerSecond = await download();
        noted.figures.push(bytesPerSecond);
        tell({ bytesPerSecond });
      } catch (error) {
        signal.throwIfAborted();
        noted.failures.push((error as Error).message);
        tell({ failure: (error as Error).message });
      }
    }
  }
}

function summed(noted: Noted): Downloads {
  return { ...noted, average: summarize(noted.figures)?.avg };
}

/** Downloads a blob of a side once, by a new connection, and says how many bytes came per second. */
export async function fromSide(
  { open, repository }: RegistrySide,
  blob: ImageBlob,
  { nowMs }: Pick<PathsTools, 'nowMs'>,
  signal: AbortSignal,
): Promise<number> {
  const { registry, close } = open();
  const beganAtMs = nowMs();
  await downloadBlob(registry, repository, blob, { isVerified: false }, signal).finally(close);
  return blob.sizeBytes / ((nowMs() - beganAtMs) / 1000);
}

function fromCache({ cache, blob }: PathsPlan, tools: PathsTools, signal: AbortSignal): Promise<number> {
  return fromSide(cache, blob, tools, signal);
}
