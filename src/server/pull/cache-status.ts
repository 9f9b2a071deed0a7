import type { CacheOutcome } from '../../oci/registry.ts';

/** The outcome in one word, for logs and metrics. */
export type CacheLabel = 'hit' | 'miss' | 'collapsed' | 'revalidated' | 'revalidating' | 'stale' | 'none';

/** The word for an outcome; `none` where no cache had a part in the answer. */
export function labelOf(outcome: CacheOutcome | undefined): CacheLabel {
  if (outcome === undefined) return 'none';
  return outcome.kind === 'miss' && outcome.collapsed ? 'collapsed' : outcome.kind;
}

/**
 * The value of `Cache-Status` (RFC 9211). `detail` says what the registered parameters cannot: that the answer was made
 * here, what failed, or what upstream was asked for.
 */
export function renderCacheStatus(outcome: CacheOutcome | undefined, detail = 'local'): string {
  switch (outcome?.kind) {
    case undefined:
      return `Entrepot; detail=${detail}`;
    case 'hit':
      return 'Entrepot; hit';
    case 'miss':
      return `Entrepot; fwd=miss${outcome.stored ? '; stored' : ''}${outcome.collapsed ? '; collapsed' : ''}`;
    case 'revalidated':
      return 'Entrepot; fwd=stale; fwd-status=200; detail=revalidated';
    case 'revalidating':
      return 'Entrepot; hit; detail=revalidating';
    case 'stale':
      return 'Entrepot; hit; detail=stale';
  }
}

const maxWarningLength = 200; // the spec allows 4096 bytes of warnings in all

/** The value of `Warning` for an answer that may be out of date (distribution spec, "Warnings"). */
export function renderWarning(reason: string): string {
  const text = reason.replace(/[^\x20-\x7e]|["\\]/g, ' ').slice(0, maxWarningLength);
  return `299 - "Served from the cache, may be out of date: ${text}"`;
}
