import { Counter, Gauge, type Registry } from 'prom-client';
import type { Metrics } from '../metrics.ts';
import { fromZero } from './from-zero.ts';

type SpaceMetrics = Pick<Metrics, 'storeLimit' | 'evictedContents' | 'evictedBytes' | 'notKept' | 'lastEviction'>;

/** Measures the limit of the store, and counts what went for it. */
export function spaceMetrics(registers: Registry[]): SpaceMetrics {
  const labelNames = ['reason'] as const;
  const reasons = ['age', 'size', 'disk'];
  const evictedContents = new Counter({
    name: 'entrepot_evicted_contents_total',
    help: 'Contents that were removed; reason: age, size (of the cache) or disk (too full)',
    labelNames,
    registers,
  });
  const evictedBytes = new Counter({
    name: 'entrepot_evicted_bytes_total',
    help: 'Size of the contents that were removed',
    labelNames,
    registers,
  });
  return {
    storeLimit: new Gauge({
      name: 'entrepot_store_limit_bytes',
      help: 'How much may be stored',
      registers,
    }),
    evictedContents: fromZero(evictedContents, 'reason', reasons),
    evictedBytes: fromZero(evictedBytes, 'reason', reasons),
    notKept: new Counter({
      name: 'entrepot_not_kept_contents_total',
      help: 'Contents that were not stored, as nothing more could be removed for them',
      registers,
    }),
    lastEviction: new Gauge({
      name: 'entrepot_eviction_last_run_timestamp_seconds',
      help: 'When it was last looked for what can be removed',
      registers,
    }),
  };
}

/** Counts what was collected as garbage. */
export function garbageMetrics(
  registers: Registry[],
): Pick<Metrics, 'garbageContents' | 'garbageBytes' | 'lastGarbage'> {
  return {
    garbageContents: new Counter({
      name: 'entrepot_garbage_contents_total',
      help: 'Contents that were removed as no hosted repository needed them any more',
      registers,
    }),
    garbageBytes: new Counter({
      name: 'entrepot_garbage_bytes_total',
      help: 'Size of the contents that were removed as garbage',
      registers,
    }),
    lastGarbage: new Gauge({
      name: 'entrepot_garbage_last_run_timestamp_seconds',
      help: 'When garbage was collected last; 0 before the first time',
      registers,
    }),
  };
}
