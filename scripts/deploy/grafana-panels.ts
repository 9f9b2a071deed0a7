/** What a panel shows. */
export interface Panel {
  readonly kind: 'stat' | 'graph';
  readonly title: string;
  /** What it says, and what to look for. */
  readonly about: string;
  /** Of 24 columns. */
  readonly width: number;
  /** By Grafana's name. */
  readonly unit: string;
  /** Legend and PromQL of each line. */
  readonly queries: readonly (readonly [string, string])[];
  /** From which value on it has which colour; green below. */
  readonly steps?: readonly (readonly [number, string])[];
  readonly stacked?: boolean;
  readonly max?: number;
}

/** A row of the dashboard. */
export interface PanelRow {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** A metric of the replicas that were chosen, with further matchers. */
function of(metric: string, matchers = ''): string {
  return `${metric}{job=~"$job", instance=~"$instance"${matchers === '' ? '' : `, ${matchers}`}}`;
}

function rate(metric: string, matchers?: string): string {
  return `rate(${of(metric, matchers)}[$__rate_interval])`;
}

function over(metric: string, matchers?: string): string {
  return `increase(${of(metric, matchers)}[$__range])`;
}

// What came from here without a transfer from upstream; "none" is what has nothing to do with the cache.
const served = 'cache=~"hit|collapsed|revalidated|revalidating|stale"';
const counted = 'cache!="none"';
const traffic = 'route!="admin"';

const overview: PanelRow = {
  title: 'In short',
  panels: [
    {
      ...{ kind: 'stat', title: 'Hit rate', width: 4, unit: 'percentunit', max: 1 },
      about: 'Of the requests for manifests and blobs in this time, how many were answered from here.',
      queries: [
        [
          '',
          `(sum(${over('entrepot_requests_total', served)}) or vector(0)) / sum(${over('entrepot_requests_total', counted)})`,
        ],
      ],
    },
    {
      ...{ kind: 'stat', title: 'Bytes saved', width: 4, unit: 'bytes' },
      about: 'Sent to clients, less what was fetched for it, in this time. Below nothing while the cache fills.',
      queries: [
        [
          '',
          `sum(${over('entrepot_served_bytes_total', counted)}) - sum(${over('entrepot_upstream_fetched_bytes_total')})`,
        ],
      ],
    },
    {
      ...{ kind: 'stat', title: 'Space taken', width: 4, unit: 'percentunit', max: 1 },
      about: 'Of cache.maxBytes. A cache that has been used for a while stays between its watermarks (85% and 95%).',
      queries: [['', `sum(${of('entrepot_store_bytes')}) / sum(${of('entrepot_store_limit_bytes')})`]],
    },
    {
      ...{ kind: 'stat', title: 'Least pull limit left', width: 4, unit: 'percentunit', max: 1 },
      about: 'Of what an upstream grants within its window, by what it said last. Docker Hub is one that says so.',
      queries: [
        ['', `min(${of('entrepot_upstream_ratelimit_remaining')} / ${of('entrepot_upstream_ratelimit_limit')})`],
      ],
    },
    {
      ...{ kind: 'stat', title: 'Upstreams that fail', width: 4, unit: 'short' },
      about: 'Left alone for now, as they failed again and again. What is here is served.',
      queries: [['', `count(max by (upstream) (${of('entrepot_upstream_circuit_state')}) > 0) or vector(0)`]],
      steps: [[1, 'red']],
    },
    {
      ...{ kind: 'stat', title: 'Disk', width: 4, unit: 'short' },
      about: 'What of store and index cannot be read or written now. 0 is well.',
      queries: [['', `count(${of('entrepot_store_failing')} > 0) or vector(0)`]],
      steps: [[1, 'red']],
    },
  ],
};

const answers: PanelRow = {
  title: 'Answers',
  panels: [
    {
      ...{ kind: 'graph', title: 'Requests', width: 12, unit: 'reqps', stacked: true },
      about: 'By how the cache answered: hit, miss, collapsed (joined another’s download), revalidated, stale.',
      queries: [['{{cache}}', `sum by (cache) (${rate('entrepot_requests_total', traffic)})`]],
    },
    {
      ...{ kind: 'graph', title: 'Bytes', width: 12, unit: 'Bps' },
      about: 'What clients got, and what was fetched for it. The distance is what the cache saves.',
      queries: [
        ['to clients', `sum(${rate('entrepot_served_bytes_total')})`],
        ['from upstream', `sum(${rate('entrepot_upstream_fetched_bytes_total')})`],
      ],
    },
    {
      ...{ kind: 'graph', title: 'Until the end of the answer', width: 12, unit: 's' },
      about: 'Manifests and other small answers; blobs take as long as their client’s line.',
      queries: (['0.5', '0.95', '0.99'] as const).map((part) => [
        `p${Number(part) * 100}`,
        `histogram_quantile(${part}, sum by (le) (${rate('entrepot_request_duration_seconds_bucket', 'route="manifest"')}))`,
      ]),
    },
    {
      ...{ kind: 'graph', title: 'Errors', width: 12, unit: 'reqps', stacked: true },
      about: 'Answers of 4xx and 5xx. 404 and 401 are part of daily life; 499 is a client that left.',
      queries: [['{{status}}', `sum by (status) (${rate('entrepot_requests_total', `status=~"[45]..", ${traffic}`)})`]],
    },
  ],
};

const upstreams: PanelRow = {
  title: 'Upstreams',
  panels: [
    {
      ...{ kind: 'graph', title: 'Requests to upstreams', width: 12, unit: 'reqps', stacked: true },
      about: 'By upstream and result: the status, or the code of the error.',
      queries: [['{{upstream}} {{result}}', `sum by (upstream, result) (${rate('entrepot_upstream_requests_total')})`]],
    },
    {
      ...{ kind: 'graph', title: 'Until an upstream answers (p95)', width: 12, unit: 's' },
      about: 'The head of its answer, retries, tokens and redirects included.',
      queries: [
        [
          '{{upstream}}',
          `histogram_quantile(0.95, sum by (upstream, le) (${rate('entrepot_upstream_answer_seconds_bucket')}))`,
        ],
      ],
    },
    {
      ...{ kind: 'graph', title: 'Pulls left', width: 8, unit: 'short' },
      about: 'What an upstream said last is left of its pull rate limit, and the limit.',
      queries: [
        ['{{upstream}} left', `min by (upstream) (${of('entrepot_upstream_ratelimit_remaining')})`],
        ['{{upstream}} limit', `max by (upstream) (${of('entrepot_upstream_ratelimit_limit')})`],
      ],
    },
    {
      ...{ kind: 'graph', title: 'Circuits', width: 8, unit: 'short', max: 2 },
      about: '0: asked. 2: left alone, as it fails. 1: one request finds out whether it still does.',
      queries: [['{{upstream}}', `max by (upstream) (${of('entrepot_upstream_circuit_state')})`]],
    },
    {
      ...{ kind: 'graph', title: 'Downloads', width: 8, unit: 'short' },
      about: 'Blobs that are being fetched, and those that wait until fewer are (cache.maxDownloads).',
      queries: [
        ['under way', `sum(${of('entrepot_downloads_in_flight')})`],
        ['waiting', `sum(${of('entrepot_downloads_waiting')})`],
        ['requests held back by maxConcurrent', `sum(${of('entrepot_upstream_waiting_requests')})`],
      ],
    },
  ],
};

const space: PanelRow = {
  title: 'Space',
  panels: [
    {
      ...{ kind: 'graph', title: 'Cache', width: 8, unit: 'bytes' },
      about: 'What is stored on each replica, downloads that were cut off, and the limit.',
      queries: [
        ['{{instance}}', of('entrepot_store_bytes')],
        ['{{instance}} cut off', of('entrepot_partial_download_bytes')],
        ['limit', `max(${of('entrepot_store_limit_bytes')})`],
      ],
    },
    {
      ...{ kind: 'graph', title: 'Evicted', width: 8, unit: 'Bps', stacked: true },
      about: 'What went, and why: for the size, the disk, or its age. As much as comes in means that it is too small.',
      queries: [['{{reason}}', `sum by (reason) (${rate('entrepot_evicted_bytes_total')})`]],
    },
    {
      ...{ kind: 'graph', title: 'Trouble with the store', width: 8, unit: 'short' },
      about: 'Failures of the disk, damaged contents, and contents that could not be kept, in 5 minutes.',
      queries: [
        [
          '{{part}} {{action}} {{code}}',
          `sum by (part, action, code) (increase(${of('entrepot_store_failures_total')}[5m]))`,
        ],
        ['damaged', `sum(increase(${of('entrepot_damaged_contents_total')}[5m]))`],
        ['not kept', `sum(increase(${of('entrepot_not_kept_contents_total')}[5m]))`],
      ],
    },
  ],
};

const pushes: PanelRow = {
  title: 'Pushes, logins, the proxy door, and what is kept fresh',
  panels: [
    {
      ...{ kind: 'graph', title: 'Pushes', width: 12, unit: 'Bps' },
      about: 'Bytes of blobs that were pushed, and what of them was removed as garbage.',
      queries: [
        ['pushed', `sum(${rate('entrepot_pushed_bytes_total')})`],
        ['garbage', `sum(${rate('entrepot_garbage_bytes_total')})`],
      ],
    },
    {
      ...{ kind: 'graph', title: 'Kept fresh', width: 12, unit: 'short', stacked: true },
      about: 'Images of `warm` that were looked at in 30 minutes: warm, stale (upstream could not be asked) or failed.',
      queries: [['{{result}}', `sum by (result) (increase(${of('entrepot_warmed_images_total')}[30m]))`]],
    },
    {
      ...{ kind: 'graph', title: 'Hosted', width: 12, unit: 'bytes' },
      about: 'Size of what hosted repositories hold, which does not count for the cache.',
      queries: [['{{instance}}', of('entrepot_hosted_bytes')]],
    },
    {
      ...{ kind: 'graph', title: 'Refused', width: 12, unit: 'short' },
      about: 'Pushes that were refused, logins that were wrong, connections refused by the proxy door; in 5 minutes.',
      queries: [
        ['push: {{reason}}', `sum by (reason) (increase(${of('entrepot_refused_pushes_total')}[5m]))`],
        [
          'login: {{result}}',
          `sum by (result) (increase(${of('entrepot_logins_total', 'result=~"wrong|refused"')}[5m]))`,
        ],
        [
          'guard: {{result}}',
          `sum by (result) (increase(${of('entrepot_guard_checks_total', 'result!="accepted"')}[5m]))`,
        ],
        [
          'proxy: {{result}}',
          `sum by (result) (increase(${of('entrepot_proxy_connects_total', 'result=~"refused|failed"')}[5m]))`,
        ],
      ],
    },
  ],
};

const process: PanelRow = {
  title: 'Process',
  panels: [
    {
      ...{ kind: 'graph', title: 'Memory', width: 8, unit: 'bytes' },
      about: 'Of each replica. It grows with downloads, half a MiB each, and not with their size.',
      queries: [['{{instance}}', of('process_resident_memory_bytes')]],
    },
    {
      ...{ kind: 'graph', title: 'CPU', width: 8, unit: 'short' },
      about: 'Cores that each replica uses. TLS and digests take most.',
      queries: [['{{instance}}', rate('process_cpu_seconds_total')]],
    },
    {
      ...{ kind: 'graph', title: 'Lateness', width: 8, unit: 's' },
      about: 'How late the process is with everything (99th percentile): more than 0.1 s is too little CPU.',
      queries: [['{{instance}}', of('nodejs_eventloop_lag_p99_seconds')]],
    },
  ],
};

/** The dashboard, from above. */
export const rows: readonly PanelRow[] = [overview, answers, upstreams, space, pushes, process];
