import type { ContentEntry } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';

/** What a plan looks at of stored content. */
export type PlannedEntry = Pick<
  ContentEntry,
  'digest' | 'sizeBytes' | 'storedAtMs' | 'usedAtMs' | 'referencedBy' | 'pinned'
>;

/** What a plan keeps to. */
export interface PlanLimits {
  /** How many bytes have to go, at least; 0 when only what is too old goes. */
  readonly excessBytes: number;
  /** How long ago content may have been used last; undefined for no limit. */
  readonly maxAgeMs: number | undefined;
  /** What was stored less than so long ago stays. */
  readonly graceMs: number;
  /** Whether content stays whatever else holds: it is being read, downloaded, or is none of those that are to go. */
  isKept(digest: Digest): boolean;
  /** Whether content has gone by a plan before this one, though an entry may still name it. */
  hasGone?(digest: Digest): boolean;
}

/** Content that is to go, and why: it was not used for too long, or there has to be room. */
export interface Departure {
  readonly entry: PlannedEntry;
  readonly reason: 'age' | 'room';
}

/** What is to go, in an order in which nothing goes before what references it. */
export interface Plan {
  readonly departures: readonly Departure[];
  /** Whether that is all: enough goes, and what was used later than these entries is not too old. */
  readonly isDone: boolean;
  /** Whether enough goes, whatever comes after these entries. */
  readonly isEnough: boolean;
}

/**
 * Plans what goes of some entries, which come in the order of their last use, and what references others before these.
 * What was used longest ago goes first, and only while it has to. Nothing goes that is pinned, kept or new, nor what a
 * stored manifest references, unless that goes too; so what may not go keeps all that it consists of.
 */
export function plan(entries: readonly PlannedEntry[], limits: PlanLimits, nowMs: number): Plan {
  const departures: Departure[] = [];
  const going = new Set<Digest>();
  const hasGone = (digest: Digest) => going.has(digest) || limits.hasGone?.(digest) === true;
  let missingBytes = limits.excessBytes;
  for (const entry of entries) {
    const isTooOld = nowMs - entry.usedAtMs >= (limits.maxAgeMs ?? Number.POSITIVE_INFINITY);
    if (!isTooOld && missingBytes <= 0) return { departures, isDone: true, isEnough: true };
    if (!mayGo(entry, limits, nowMs, hasGone)) continue;
    departures.push({ entry, reason: isTooOld ? 'age' : 'room' });
    going.add(entry.digest);
    missingBytes -= entry.sizeBytes;
  }
  return { departures, isDone: false, isEnough: missingBytes <= 0 };
}

/** Whether content may go: it is not pinned, kept or new, and all that references it has gone. */
export function mayGo(
  { digest, pinned, storedAtMs, referencedBy }: PlannedEntry,
  { graceMs, isKept }: Pick<PlanLimits, 'graceMs' | 'isKept'>,
  nowMs: number,
  hasGone: (digest: Digest) => boolean,
): boolean {
  // What was stored in the future was stored while the clock was wrong: that must not keep it for years.
  if (pinned || Math.abs(nowMs - storedAtMs) < graceMs || isKept(digest)) return false;
  return referencedBy.every(hasGone);
}
