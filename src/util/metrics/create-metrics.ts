import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { describeMetrics } from './describe-metrics.ts';
import { pushMetrics } from './groups/pushes.ts';
import { loginMetrics, proxyMetrics, requestMetrics } from './groups/requests.ts';
import { garbageMetrics, spaceMetrics } from './groups/space.ts';
import { countIntegrity, measureDisk, measureDownloads, measureHosted } from './groups/store.ts';
import { measureUpstreams, upstreamMetrics } from './groups/upstreams.ts';
import { warmingMetrics } from './groups/warming.ts';
import type { MetricSources, Metrics } from './metrics.ts';

/** Makes the metrics in a registry of their own, so that two caches in one process do not share them. */
export function createMetrics(sources: MetricSources): Metrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });
  measureDownloads(registers, sources);
  measureDisk(registers, sources);
  // Each asks for itself: the values of one are read before another's asynchronous `collect` has ended.
  const ask = () => sources.store().catch(() => ({ contents: Number.NaN, sizeBytes: Number.NaN }));
  new Gauge({
    name: 'entrepot_store_contents',
    help: 'Blobs and manifests that are stored; not a number while the index fails',
    registers,
    async collect() {
      this.set((await ask()).contents);
    },
  });
  new Gauge({
    name: 'entrepot_store_bytes',
    help: 'Size of what is stored; not a number while the index fails',
    registers,
    async collect() {
      this.set((await ask()).sizeBytes);
    },
  });
  measureHosted(registers, sources);
  measureUpstreams(registers, sources);
  countIntegrity(sources, registers);
  return {
    contentType: register.contentType,
    describe: () => describeMetrics(register),
    render: () => register.metrics(),
    ...requestMetrics(registers),
    ...loginMetrics(registers),
    ...upstreamMetrics(registers, sources),
    ...spaceMetrics(registers),
    ...pushMetrics(registers, sources),
    ...garbageMetrics(registers),
    ...proxyMetrics(registers),
    ...warmingMetrics(registers),
    certificateExpires: new Gauge({
      name: 'entrepot_tls_certificate_expires_timestamp_seconds',
      help: 'When the certificate that a door shows expires',
      labelNames: ['door'],
      registers,
    }),
  };
}
