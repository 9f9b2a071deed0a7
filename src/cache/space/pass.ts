import { setImmediate } from 'node:timers/promises';
import type { ContentEntry, MetadataIndex } from '../../index/metadata-index.ts';
import type { Clock } from '../../util/clock.ts';
import { type Departure, type PlanLimits, plan } from './plan.ts';

/** What is looked at, and goes, in one step: few enough to hold up a request by a few milliseconds at most. */
const stepCount = 50;

/** One way through the stored contents, from what was used longest ago on. */
export interface Pass {
  /** What the next step keeps to. */
  limits(): Promise<PlanLimits>;
  /** Takes away what a step came to; the index is told before anything else is waited for. */
  take(departures: readonly Departure[]): Promise<void>;
}

/**
 * Goes through the stored contents in small steps until all went that had to, or nothing is left to look at. Each step
 * is planned by what the index says at that moment; between two of them other work has its turn.
 * @returns whether enough went; otherwise the rest may not go
 * @throws what the index failed with, or the signal's reason
 */
export async function goThrough(
  index: Pick<MetadataIndex, 'listLeastRecentlyUsed'>,
  clock: Pick<Clock, 'now'>,
  pass: Pass,
  signal: AbortSignal,
): Promise<boolean> {
  let after: ContentEntry | undefined;
  for (;;) {
    signal.throwIfAborted();
    const limits = await pass.limits();
    const entries = await index.listLeastRecentlyUsed({ count: stepCount, after });
    const { departures, isDone, isEnough } = plan(entries, limits, clock.now());
    if (departures.length > 0) await pass.take(departures);
    if (isDone || entries.length < stepCount) return isEnough;
    after = entries.at(-1);
    await setImmediate();
  }
}
