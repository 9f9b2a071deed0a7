import { Counter, Gauge, type Registry } from 'prom-client';
import type { HostedStatus } from '../../status.ts';
import type { MetricSources } from '../metrics.ts';

/** Measures how the disk is. */
export function measureDisk(registers: Registry[], sources: MetricSources): void {
  const labelNames = ['part', 'action', 'code'] as const;
  new Gauge({
    name: 'entrepot_store_failing',
    help: '1 for what cannot be read, written or found now, of store or index, by the code of the error',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { part, action, code } of sources.disk().troubles) this.set({ part, action, code }, 1);
    },
  });
  new Counter({
    name: 'entrepot_store_failures_total',
    help: 'How often store or index could not be read or written, by the code of the error',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { part, action, code, count } of sources.disk().failures) this.inc({ part, action, code }, count);
    },
  });
}

/** Measures what is being downloaded. */
export function measureDownloads(registers: Registry[], sources: MetricSources): void {
  new Gauge({
    name: 'entrepot_downloads_in_flight',
    help: 'Blobs that are being downloaded from upstream',
    registers,
    collect() {
      this.set(sources.downloadsInFlight());
    },
  });
  new Gauge({
    name: 'entrepot_downloads_waiting',
    help: 'Blobs that wait until fewer are being downloaded',
    registers,
    collect() {
      this.set(sources.downloadsWaiting());
    },
  });
  const ask = () => sources.partials().catch(() => ({ count: Number.NaN, sizeBytes: Number.NaN }));
  new Gauge({
    name: 'entrepot_partial_downloads',
    help: 'Downloads that were cut off, and can be gone on with; not a number while the disk fails',
    registers,
    async collect() {
      this.set((await ask()).count);
    },
  });
  new Gauge({
    name: 'entrepot_partial_download_bytes',
    help: 'Size of what is left of downloads that were cut off; not a number while the disk fails',
    registers,
    async collect() {
      this.set((await ask()).sizeBytes);
    },
  });
}

/** What hosted repositories hold, which does not count for the cache. */
export function measureHosted(registers: Registry[], sources: MetricSources): void {
  const measure = (name: string, help: string, read: (status: HostedStatus) => number) =>
    new Gauge({
      name: `entrepot_hosted_${name}`,
      help: `${help}; not a number while the index fails`,
      registers,
      async collect() {
        this.set(await sources.hosted().then(read, () => Number.NaN));
      },
    });
  measure('repositories', 'Repositories that were pushed to, and hold something', ({ repositories }) => repositories);
  measure('contents', 'Blobs and manifests that hosted repositories hold', ({ contents }) => contents);
  measure('bytes', 'Size of what hosted repositories hold', ({ sizeBytes }) => sizeBytes);
}

/** Counts what was verified, and found damaged. */
export function countIntegrity({ integrity }: MetricSources, registers: Registry[]): void {
  const counters = [
    ['scrubbed_bytes', 'Bytes of stored content that were read in the background to verify them'],
    ['damaged_contents', 'Stored contents that were found to be damaged, and dropped'],
  ] as const;
  for (const [name, help] of counters) {
    new Counter({
      name: `entrepot_${name}_total`,
      help,
      registers,
      collect() {
        const { scrubbedBytes, damagedContents } = integrity();
        this.reset();
        this.inc(name === 'scrubbed_bytes' ? scrubbedBytes : damagedContents);
      },
    });
  }
}
