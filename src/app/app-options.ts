import type { DownloadPolicy } from '../cache/download/download-tools.ts';
import type { CircuitPolicy } from '../upstream/health/circuit.ts';
import type { RetryPolicy } from '../upstream/retry.ts';
import type { TransportLimits } from '../upstream/transport/connection.ts';
import type { Log } from '../util/log/log.ts';
import type { Metrics } from '../util/metrics/metrics.ts';
import type { Clock } from '../util/time/clock.ts';

/** What a test may put in the place of the machine's own. */
export interface AppOptions {
  readonly clock?: Clock;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly log?: Log;
  readonly limits?: Partial<TransportLimits>;
  readonly retry?: Partial<RetryPolicy>;
  readonly download?: Partial<DownloadPolicy>;
  readonly circuit?: Partial<CircuitPolicy>;
  /** How long a client waits at most for the head of an answer. */
  readonly patienceMs?: number;
  /** How much of the file system of the data folder is free. */
  freeBytes?(): Promise<number>;
}

/** What every part that is started gets, and tells what happens. */
export interface Basics {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly version: string;
}
