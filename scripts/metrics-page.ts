import { createMetrics } from '../src/util/metrics/create-metrics.ts';
import type { MetricDescription } from '../src/util/metrics/metrics.ts';
import { table } from './table.ts';

/** What the labels say that more than one metric has, or that its help does not explain. */
const labelHelp: Readonly<Record<string, string>> = {
  action: 'what was tried: `read` or `write`',
  cache:
    '`hit`: from here; `miss`: fetched; `collapsed`: another request’s transfer served it; `revalidated`: upstream said that ' +
    'it is still right; `revalidating`: served, and asked for behind the answer; `stale`: old, as upstream could not be ' +
    'asked; `none`: of no cache',
  code: 'the system’s code of the error: `ENOSPC`, `EIO`',
  door: '`registry` or `hosted`',
  method: 'the method of HTTP',
  operation: 'what is asked of an upstream: `manifest`, `blob`, `tags`, `referrers`, `catalog` or `ping`',
  part: '`store` or `index`',
  reason: 'why; see the metric',
  registry: 'the name of the upstream in the configuration, or `hosted.entrepot`; empty for requests that are of none',
  result: 'what came of it; see the metric',
  route: 'the kind of request: `manifest`, `blob`, `tags`, …, and `admin` for the paths that are no registry’s',
  status: 'the status of the answer; 499 when the client left before it was whole',
  upstream: 'its name in the configuration',
};

/** The page docs/metrics.md, from the metrics themselves. */
export function metricsPage(): string {
  const metrics = describeAll();
  const labels = [...new Set(metrics.flatMap((metric) => metric.labels))].sort();
  const rows = metrics.map(({ name, type, labels: its, help }) => [
    `\`${name}\``,
    type,
    its.map((label) => `\`${label}\``).join(', '),
    help,
  ]);
  const labelRows = labels.map((label) => [`\`${label}\``, helpOf(label)]);
  return `<!-- Written by \`npm run docs\` from src/util/metrics; do not edit. -->

# Metrics

\`/metrics\` of every door has these, for Prometheus. Where a door asks for a login, it does so for them, too
([access.md](access.md)). They hold no secret and no name of a repository. Counters begin at 0 with the process. A
histogram \`x\` is \`x_bucket\`, \`x_sum\` and \`x_count\`. What to look at, and what to be woken for, is in
[operations.md](operations.md).

${table(['Metric', 'Type', 'Labels', 'What it is'], rows)}

Beside them are the figures of the process, under the names that Node.js programs have them by: \`process_…\` (CPU time,
memory, file descriptors, start) and \`nodejs_…\` (event loop, heap, garbage collection, version).

## Labels

${table(['Label', 'What it says'], labelRows)}
`;
}

/** @throws Error for a label that nobody has explained yet */
function helpOf(label: string): string {
  const help = labelHelp[label];
  if (help === undefined)
    throw new Error(`Cannot write docs/metrics.md: say what "${label}" is in scripts/metrics-page.ts`);
  return help;
}

function describeAll(): MetricDescription[] {
  const nothing = { contents: 0, sizeBytes: 0 };
  const metrics = createMetrics({
    ...{ downloadsInFlight: () => 0, downloadsWaiting: () => 0, uploads: () => 0, upstreams: () => [] },
    disk: () => ({ troubles: [], failures: [] }),
    partials: async () => ({ count: 0, sizeBytes: 0 }),
    store: async () => nothing,
    hosted: async () => ({ repositories: 0, ...nothing }),
    integrity: () => ({ scrubbedBytes: 0, damagedContents: 0 }),
  });
  return metrics.describe().filter(({ name }) => name.startsWith('entrepot_'));
}
