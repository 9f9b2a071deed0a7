import { Counter, Gauge, type Registry } from 'prom-client';
import type { MetricSources, Metrics } from '../metrics.ts';
import { fromZero } from './from-zero.ts';

/** Counts what is pushed. */
export function pushMetrics(
  registers: Registry[],
  { uploads }: MetricSources,
): Pick<Metrics, 'pushedBytes' | 'refusedPushes'> {
  new Gauge({
    name: 'entrepot_uploads',
    help: 'Blobs whose push was begun, and is not over',
    registers,
    collect() {
      this.set(uploads());
    },
  });
  const refusedPushes = new Counter({
    name: 'entrepot_refused_pushes_total',
    help: 'Requests of pushes that were refused; reason: count (of uploads), size, quota, disk (full) or digest (wrong)',
    labelNames: ['reason'],
    registers,
  });
  return {
    pushedBytes: new Counter({
      name: 'entrepot_pushed_bytes_total',
      help: 'Bytes of blobs that were pushed and written',
      registers,
    }),
    refusedPushes: fromZero(refusedPushes, 'reason', ['count', 'size', 'quota', 'disk', 'digest']),
  };
}
