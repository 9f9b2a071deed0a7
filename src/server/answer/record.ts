import type { AnyRequest } from '../../oci/wire/request.ts';
import type { CacheLabel } from '../pull/cache-status.ts';

/** What is noted of a request while it is handled; the access log and the metrics are made of it. */
export interface RequestRecord {
  route: AnyRequest['kind'] | 'token' | 'admin' | 'other';
  registry: string | undefined;
  repository: string | undefined;
  reference: string | undefined;
  cache: CacheLabel;
  /** The `ns` that decided where it went, which the answer confirms. */
  namespace: string | undefined;
  /** How long its answer's body was promised to be. */
  lengthBytes: number | undefined;
  /** How much of its body was taken. */
  receivedBytes: number;
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
    namespace: undefined,
    lengthBytes: undefined,
    receivedBytes: 0,
    user: undefined,
    error: undefined,
  };
}
