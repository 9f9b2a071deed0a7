import type { HostedStatus, ServerStatus, StoreStatus, UpstreamStatus, WarmStatus } from '../../util/status.ts';
import { type DiskTrouble, describeDiskTrouble } from '../../util/system/disk-trouble.ts';
import type { Clock } from '../../util/time/clock.ts';

/** Where the status comes from. */
export interface StatusSources {
  readonly version: string;
  /** How much may be kept. */
  readonly maxBytes: number;
  /** How much of the file system is to stay free. */
  readonly minFreeBytes: number;
  readonly clock: Clock;
  disk(): { readonly troubles: readonly DiskTrouble[] };
  /** How much of the file system is free. */
  freeBytes(): Promise<number>;
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
    const troubles = [...sources.disk().troubles.map(describeDiskTrouble), ...(await spaceTroubles(sources))];
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

/** What is kept goes while there is too little space, whoever takes it: little of `maxBytes` may be used then. */
async function spaceTroubles({ minFreeBytes, freeBytes }: StatusSources): Promise<string[]> {
  const free = await freeBytes().catch(() => undefined);
  if (free === undefined || free >= minFreeBytes) return [];
  const wanted = `cache.minFreeBytes wants ${megabytes(minFreeBytes)}, so what is cached goes`;
  return [`only ${megabytes(free)} are free where the data folder is: ${wanted}`];
}

function megabytes(sizeBytes: number): string {
  return `${Math.floor(sizeBytes / 1e6)} MB`;
}
