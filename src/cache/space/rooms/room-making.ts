import type { MetadataIndex } from '../../../index/metadata-index.ts';
import type { Clock } from '../../../util/time/clock.ts';
import type { ContentInUse } from '../../content/in-use.ts';
import type { UseRecorder } from '../../uses.ts';
import type { PlanLimits } from '../plan.ts';
import { goThrough, type Pass } from '../removal/pass.ts';
import type { Removal } from '../removal/removal.ts';

/** Why content went: it was not used for too long, the cache was too full, or the disk. */
export type RemovalReason = 'age' | 'size' | 'disk';

/** What a run works with. */
export interface RoomMakingTools {
  readonly index: Pick<MetadataIndex, 'listLeastRecentlyUsed'>;
  readonly removal: Pick<Removal, 'remove'>;
  readonly uses: Pick<UseRecorder, 'flush'>;
  readonly inUse: Pick<ContentInUse, 'has'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly limits: Pick<PlanLimits, 'maxAgeMs' | 'graceMs' | 'hasGone'>;
}

/** What a run is for. */
export interface RoomMakingGoal {
  /** What the disk lacks as the run begins. */
  readonly diskBytes: number;
  /** How much more is stored than may be; asked before each step. */
  excessBytes(): Promise<number>;
  /** Something went. */
  removed(reason: RemovalReason, contents: number, sizeBytes: number): void;
  /** Whether somebody waits for it. */
  isUrgent(): boolean;
  /** A step was taken: who waits for room may have it now. False while somebody still waits. */
  stepped(): Promise<boolean>;
}

/**
 * Removes what has to go. It goes through what is stored again while that is of use: what went later may have been all
 * that kept something which had its turn before.
 * @returns how many contents went, and bytes, and whether that was enough
 * @throws what the index failed with, or the signal's reason
 */
export async function makeRoom(tools: RoomMakingTools, goal: RoomMakingGoal, signal: AbortSignal) {
  const { index, removal, uses, inUse, clock, limits } = tools;
  const made = { contents: 0, bytes: 0 };
  let reasonForRoom: RemovalReason = 'size';
  const pass: Pass = {
    isUrgent: () => goal.isUrgent(),
    async limits() {
      await uses.flush(); // what was pulled a moment ago must not look as if it was not
      const excessBytes = await goal.excessBytes();
      reasonForRoom = excessBytes > 0 ? 'size' : 'disk';
      return {
        ...limits,
        excessBytes: Math.max(excessBytes, goal.diskBytes - made.bytes),
        isKept: (digest) => inUse.has(digest),
      };
    },
    async take(departures) {
      const removed = new Set(await removal.remove(departures.map(({ entry }) => entry.digest)));
      const departed = departures.filter(({ entry }) => removed.has(entry.digest));
      for (const [reason, gone] of Map.groupBy(departed, (departure) => departure.reason)) {
        const sizeBytes = gone.reduce((sum, { entry }) => sum + entry.sizeBytes, 0);
        made.contents += gone.length;
        made.bytes += sizeBytes;
        goal.removed(reason === 'age' ? reason : reasonForRoom, gone.length, sizeBytes);
      }
      await goal.stepped();
    },
  };
  for (;;) {
    const { contents } = made;
    const isEnough = await goThrough(index, clock, pass, signal);
    const nobodyWaits = await goal.stepped();
    if (isEnough ? nobodyWaits : made.contents === contents) return { ...made, isEnough };
  }
}
