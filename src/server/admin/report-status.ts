import { type DiskTrouble, describeDiskTrouble } from '../../util/disk-trouble.ts';
import type { HostedStatus, ServerStatus, StoreStatus, UpstreamStatus, WarmStatus } from '../../util/status.ts';
import type { Clock } from '../../util/time/clock.ts';

/** Where the status comes from. */
export interface StatusSources {
  readonly version: string;
  /** How much may be kept. */
  readonly maxBytes: number;
  readonly clock: Clock;
  disk(): { readonly troubles: readonly DiskTrouble[] };
  downloadsInFlight(): number;
  downloadsWaiting(): number;
  store(): Promise<Pick<StoreStatus, 'contents' | 'sizeBytes'>>;
  hosted(): Promise<HostedStatus>;
  upstreams(): readonly UpstreamStatus[];
  warm(): readonly WarmStatus[];
}

/** Makes what tells the status of the server that begins now. */
export function reportStatus(sources: StatusSources): () => Promise<ServerStatus> {
  const { version, maxBytes, clock } = sources;
  const startedAtMs = clock.now();
  // The clock may be set while the server runs; how long it has run does not change by that.
  const startedMs = performance.now();
  return async () => {
    const totals = await sources.store().catch(() => undefined);
    const warm = sources.warm();
    const troubles = sources.disk().troubles.map(describeDiskTrouble);
    const hosted = await sources.hosted().catch(() => undefined);
    return {
      version,
      startedAt: new Date(startedAtMs).toISOString(),
      uptimeSeconds: Math.floor((performance.now() - startedMs) / 1000),
      ...(totals === undefined ? {} : { store: { ...totals, maxBytes } }),
      ...(hosted === undefined ? {} : { hosted }),
      ...(troubles.length === 0 ? {} : { troubles }),
      downloads: { running: sources.downloadsInFlight(), waiting: sources.downloadsWaiting() },
      upstreams: sources.upstreams(),
      ...(warm.length === 0 ? {} : { warm }),
    };
  };
}
