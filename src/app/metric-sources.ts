import type { MetricSources } from '../util/metrics/metrics.ts';
import type { SharedCache } from './cache/cache.ts';
import type { Disk } from './cache/disk.ts';
import type { Upstreams } from './cache/upstreams.ts';

/** What the metrics are read from. */
interface MeasuredParts {
  readonly cache: Pick<SharedCache, 'downloads' | 'scrubber' | 'damages'>;
  readonly disk: Pick<Disk, 'store' | 'index'>;
  readonly hosted: { readonly uploadCount: number };
  readonly upstreams: Pick<Upstreams, 'status'>;
}

/** What the metrics ask when somebody looks. The parts come later than the metrics, which they count themselves. */
export function metricSources(health: ReturnType<MetricSources['disk']>, parts: () => MeasuredParts): MetricSources {
  return {
    downloadsInFlight: () => parts().cache.downloads.count,
    downloadsWaiting: () => parts().cache.downloads.waiting,
    disk: () => health,
    partials: () => parts().disk.store.partials(),
    store: () => parts().disk.index.totals(),
    hosted: () => parts().disk.index.hostedTotals(),
    uploads: () => parts().hosted.uploadCount,
    upstreams: () => parts().upstreams.status(),
    integrity: () => {
      const { scrubber, damages } = parts().cache;
      return { scrubbedBytes: scrubber.scrubbedBytes, damagedContents: damages.count };
    },
  };
}
