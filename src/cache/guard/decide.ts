import type { RepositoryKind } from '../../index/metadata-index.ts';

/** Who is asked for whom: `auto` learns it from upstream, with `always` no client gets what our own identity may read. */
export type GuardMode = 'auto' | 'always';

/** What is known when a client asks for something of a repository. */
export interface GuardQuestion {
  readonly mode: GuardMode;
  /** Undefined when nobody knows. */
  readonly kind: RepositoryKind | undefined;
  /** Whether upstream accepted this client's credentials for this repository within the last minutes. */
  readonly isProven: boolean;
  /** Whether it did so before that, and has not refused them since. */
  readonly wasProven: boolean;
  /** Whether it is so long ago that upstream refused our own identity that it may be asked again. */
  readonly isDue: boolean;
}

/** How a client is let in. */
export type GuardDecision =
  /** It gets what is here, and what our own identity fetches. */
  | 'open'
  /** It gets what is here, and what its own credentials fetch. */
  | 'guarded'
  /** Upstream is asked first whether our own identity may read it by now; if not, `prove`. */
  | 'ask'
  /** Upstream is asked first whether this client may read it. */
  | 'prove';

/** Decides how a client is let in to a repository. */
export function decideGuard({ mode, kind, isProven, wasProven, isDue }: GuardQuestion): GuardDecision {
  if (mode === 'auto' && kind !== 'guarded') return 'open';
  if (isProven) return 'guarded';
  return mode === 'auto' && isDue && !wasProven ? 'ask' : 'prove';
}
