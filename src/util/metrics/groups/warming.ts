import { Counter, Gauge, type Registry } from 'prom-client';
import type { Metrics } from '../metrics.ts';
import { fromZero } from './from-zero.ts';

/** Counts what is kept fresh though nobody pulls it. */
export function warmingMetrics(
  registers: Registry[],
): Pick<Metrics, 'warmedImages' | 'failingImages' | 'warmedBytes' | 'lastWarming'> {
  const warmedImages = new Counter({
    name: 'entrepot_warmed_images_total',
    help: 'Images of `warm` that were looked at; result: warm, stale (upstream could not be asked) or failed',
    labelNames: ['result'],
    registers,
  });
  return {
    warmedImages: fromZero(warmedImages, 'result', ['warm', 'stale', 'failed']),
    failingImages: new Gauge({
      name: 'entrepot_warm_failing_images',
      help: 'Images of `warm` that failed when they were looked at last',
      registers,
    }),
    warmedBytes: new Counter({
      name: 'entrepot_warmed_bytes_total',
      help: 'Size of what was fetched for images of `warm`',
      registers,
    }),
    lastWarming: new Gauge({
      name: 'entrepot_warm_last_run_timestamp_seconds',
      help: 'When an image of `warm` was looked at last; 0 before the first time',
      registers,
    }),
  };
}
