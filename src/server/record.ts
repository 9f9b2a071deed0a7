import type { CacheLabel } from './cache-status.ts';

/** What is noted of a request while it is handled; the access log and the metrics are made of it. */
export interface RequestRecord {
  route: 'ping' | 'manifest' | 'blob' | 'tags' | 'referrers' | 'catalog' | 'admin' | 'other';
  registry: string | undefined;
  repository: string | undefined;
  reference: string | undefined;
  cache: CacheLabel;
  /** Who sent it, when a name was proven. */
  user: string | undefined;
  /** Why it failed, for the log. */
  error: unknown;
}

/** A record of a request of which nothing is known yet. */
export function newRecord(): RequestRecord {
  return {
    route: 'other',
    registry: undefined,
    repository: undefined,
    reference: undefined,
    cache: 'none',
    user: undefined,
    error: undefined,
  };
}
