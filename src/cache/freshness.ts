import type { TagEntry } from '../index/metadata-index.ts';
import { isNotFound, isTemporary } from '../oci/errors.ts';

/** How long what upstream said of a tag is believed. */
export interface FreshnessPolicy {
  /** For so long, in milliseconds, upstream is not asked again. */
  readonly tagTtlMs: number;
}

/** What to do with what is known of a tag: nothing is, use it, or ask upstream whether it still holds. */
export type Decision = 'miss' | 'fresh' | 'revalidate';

/** Decides about a tag. What is asked for by digest never changes, and needs no decision. */
export function decide(entry: TagEntry | undefined, policy: FreshnessPolicy, nowMs: number): Decision {
  if (entry === undefined) return 'miss';
  const ageMs = nowMs - entry.checkedAtMs;
  // An entry from the future was written before the clock was set back; its age is unknown.
  return ageMs >= 0 && ageMs < policy.tagTtlMs ? 'fresh' : 'revalidate';
}

/** What upstream's error says of an entry that was to be revalidated. */
export type Verdict =
  /** Upstream cannot say: the entry is still the best there is. */
  | 'stale'
  /** Upstream says that there is no such tag any more. */
  | 'gone'
  /** Upstream does not let us have it. */
  | 'refused';

/** Reads upstream's error on revalidation; undefined for an error that is not upstream's. */
export function judge(error: unknown): Verdict | undefined {
  if (isTemporary(error)) return 'stale';
  if (isNotFound(error)) return 'gone';
  return error instanceof Error && 'code' in error && (error.code === 'DENIED' || error.code === 'UNAUTHORIZED')
    ? 'refused'
    : undefined;
}
