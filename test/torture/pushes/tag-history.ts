import type { Digest } from '../../../src/oci/digest.ts';

/** What a tag was to become: a manifest, or nothing. */
export interface TagAttempt {
  readonly value: Digest | undefined;
  readonly begunAt: number;
  /** When it could change nothing any more: it was acknowledged, or the process that it was sent to had ended. */
  endedAt: number;
  isAcknowledged: boolean;
  /** Whoever made it waits no more. */
  isGivenUp: boolean;
}

/**
 * What was tried with a tag, by a clock that counts events. What stands is the last acknowledged; or what was under way
 * at its end, or after it, as nobody knows which of those came last.
 */
export class TagHistory {
  readonly #attempts: TagAttempt[] = [
    { value: undefined, begunAt: 0, endedAt: 0, isAcknowledged: true, isGivenUp: false },
  ];

  /** Something is tried. */
  begin(value: Digest | undefined, now: number): TagAttempt {
    const attempt = { value, begunAt: now, endedAt: Infinity, isAcknowledged: false, isGivenUp: false };
    this.#attempts.push(attempt);
    return attempt;
  }

  /** The process ended: what was given up cannot come any more. */
  processEnded(now: number): void {
    for (const attempt of this.#attempts) if (attempt.isGivenUp) attempt.endedAt = Math.min(attempt.endedAt, now);
  }

  /** What the tag may stand for, for whoever began to ask at a time. */
  allowedSince(time: number): Set<Digest | undefined> {
    const superseding = this.#attempts.filter(({ isAcknowledged, endedAt }) => isAcknowledged && endedAt <= time);
    const lastBegunAt = Math.max(...superseding.map(({ begunAt }) => begunAt));
    return new Set(this.#attempts.filter(({ endedAt }) => endedAt >= lastBegunAt).map(({ value }) => value));
  }
}
