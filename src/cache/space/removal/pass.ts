import { setImmediate, setTimeout } from 'node:timers/promises';
import type { ContentEntry, MetadataIndex } from '../../../index/metadata-index.ts';
import type { Clock } from '../../../util/time/clock.ts';
import { type Departure, type PlanLimits, plan } from '../plan.ts';

/** What is looked at, and goes, in one step: it holds up a request by a millisecond or so. */
const stepCount = 20;

/**
 * When steps have taken so long together, the next waits until they were a small part of the time: now and then one is
 * slow, as the index moves what was written to its file, and few requests may meet that.
 */
const workMs = 5;
const restsPerWork = 19;
const maxRestMs = 500;

/** One way through the stored contents, from what was used longest ago on. */
export interface Pass {
  /** What the next step keeps to. */
  limits(): Promise<PlanLimits>;
  /** Takes away what a step came to; the index is told before anything else is waited for. */
  take(departures: readonly Departure[]): Promise<void>;
  /** Whether somebody waits for the end, so that no time is to be lost. */
  isUrgent(): boolean;
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
  let workedMs = 0;
  for (;;) {
    signal.throwIfAborted();
    const limits = await pass.limits();
    const startedMs = performance.now();
    const entries = await index.listLeastRecentlyUsed({ count: stepCount, after });
    const { departures, isDone, isEnough } = plan(entries, limits, clock.now());
    const taking = departures.length > 0 ? pass.take(departures) : undefined;
    workedMs += performance.now() - startedMs; // all of that is done on this thread, and the files are not
    await taking;
    if (isDone || entries.length < stepCount) return isEnough;
    after = entries.at(-1);
    if (workedMs < workMs || pass.isUrgent()) await setImmediate();
    else {
      await setTimeout(Math.min(workedMs * restsPerWork, maxRestMs), undefined, { signal });
      workedMs = 0;
    }
  }
}
