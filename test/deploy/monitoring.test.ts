import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { readDashboard } from '../../scripts/deploy/dashboard-file.ts';
import { createMetrics } from '../../src/util/metrics/create-metrics.ts';
import type { Metrics } from '../../src/util/metrics/metrics.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

const dashboard = readDashboard();
const rules: readonly Rule[] = parse(read('deploy/helm/entrepot/files/alerts.yaml')).groups.flatMap(
  (group: { rules: Rule[] }) => group.rules,
);

const queries = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.templating.list.flatMap(({ definition }) => (definition === undefined ? [] : [definition])),
  ...rules.map(({ expr }) => expr),
];

// What Prometheus and the operator add to every series.
const scrapeLabels = ['job', 'instance', 'namespace', 'pod', 'le'];
const words = new Set([
  ...['rate', 'increase', 'sum', 'min', 'max', 'count', 'absent', 'time', 'vector', 'histogram_quantile', 'or'],
  ...['label_values', ...scrapeLabels],
]);

/** The metrics of a query, each with the labels that are asked for beside it. */
function metricsOf(query: string): { name: string; labels: string[] }[] {
  const plain = query.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""').replaceAll(/\[[^\]]*\]/g, '');
  const grouped = [...plain.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(/,\s*/));
  const series = plain.replaceAll(/\bby \([^)]*\)/g, '');
  return [...series.matchAll(/\b([a-z]\w*)\b(?:\{([^}]*)\})?(?!\s*[=!]~?")/gi)].flatMap(
    ([, name = '', matchers = '']) => {
      if (words.has(name)) return [];
      const labels = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);
      return [{ name, labels: [...labels, ...grouped] }];
    },
  );
}

/** Every series that Entrepot gives, with its labels, `_bucket` and the like included. */
async function knownSeries(): Promise<Map<string, Set<string>>> {
  const at = '2026-01-01T00:00:00.000Z';
  const circuit = { state: 'open', failures: 5, until: at } as const;
  const rateLimit = { limit: 100, remaining: 5, windowSeconds: 21_600, source: undefined, at, reserved: 10 };
  const metrics = createMetrics({
    downloadsInFlight: () => 0,
    downloadsWaiting: () => 0,
    disk: () => ({
      troubles: [{ part: 'store', action: 'write', code: 'EIO', since: 0 }] as never,
      failures: [{ part: 'store', action: 'write', code: 'EIO', count: 1 }] as never,
    }),
    partials: async () => ({ count: 0, sizeBytes: 0 }),
    store: async () => ({ contents: 0, sizeBytes: 0 }),
    hosted: async () => ({ repositories: 0, contents: 0, sizeBytes: 0 }),
    uploads: () => 0,
    upstreams: () => [{ name: 'docker.io', circuit, rateLimit, requests: { running: 1, waiting: 1 } }] as never,
    integrity: () => ({ scrubbedBytes: 0, damagedContents: 0 }),
  });
  const series = new Map<string, Set<string>>();
  for (const line of (await metrics.render()).split('\n')) {
    const [, typed, type] = /^# TYPE (\S+) (\S+)/.exec(line) ?? [];
    const [, sampled, labels = ''] = /^(\w+)(?:\{(.*)\})? /.exec(line) ?? [];
    const names = type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => typed + end) : [typed ?? sampled];
    for (const name of names) {
      if (name === undefined || name === '') continue;
      const known = series.get(name) ?? new Set();
      series.set(name, known);
      for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label);
    }
  }
  addDeclared(metrics, series);
  return series;
}

/** Those that have no series before something is counted say their labels themselves. */
function addDeclared(metrics: Metrics, series: Map<string, Set<string>>): void {
  for (const metric of Object.values(metrics) as { name?: string; labelNames?: string[] }[]) {
    const { name, labelNames } = metric;
    if (typeof metric !== 'object' || name === undefined || labelNames === undefined) continue;
    for (const [key, labels] of series) {
      if (key === name || key.replace(/_(bucket|sum|count)$/, '') === name)
        for (const one of labelNames) labels.add(one);
    }
  }
}

test('every metric and label of the dashboard and the alerts is one that Entrepot has', async () => {
  const known = await knownSeries();
  const asked = queries.flatMap(metricsOf);
  assert.ok(asked.length > 60);
  for (const { name, labels } of asked) {
    if (name === 'up') continue; // Prometheus' own
    const own = known.get(name);
    assert.ok(own, `no metric is called ${name}`);
    for (const label of labels) {
      assert.ok(own.has(label) || scrapeLabels.includes(label), `${name} has no label ${label}`);
    }
  }
});

test('the dashboard shows what an operator looks for', () => {
  const shown = new Set(
    dashboard.panels
      .flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => metricsOf(expr)))
      .map(({ name }) => name),
  );
  for (const name of [
    ...['entrepot_requests_total', 'entrepot_served_bytes_total', 'entrepot_upstream_fetched_bytes_total'],
    ...['entrepot_upstream_requests_total', 'entrepot_upstream_ratelimit_remaining', 'entrepot_upstream_circuit_state'],
    ...['entrepot_request_duration_seconds_bucket', 'entrepot_upstream_answer_seconds_bucket'],
    ...['entrepot_store_bytes', 'entrepot_store_limit_bytes', 'entrepot_evicted_bytes_total', 'entrepot_store_failing'],
    ...['entrepot_pushed_bytes_total', 'entrepot_refused_pushes_total', 'entrepot_hosted_bytes'],
  ]) {
    assert.ok(shown.has(name), name);
  }
});

test('panels say what they show, have a place of their own, and fit', () => {
  const { panels } = dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const panel of panels) {
    const { x, y, w, h } = panel.gridPos;
    if (panel.type !== 'row') assert.ok(panel.description && panel.targets?.length, panel.title);
    assert.ok(x + w <= 24, panel.title);
    for (const other of panels) {
      if (other === panel) continue;
      const { x: left, y: top, w: width, h: height } = other.gridPos;
      const overlap = x < left + width && left < x + w && y < top + height && top < y + h;
      assert.ok(!overlap, `${panel.title} and ${other.title}`);
    }
  }
});

test('every alert says how bad it is, what is the matter and what to do, and docs/operations.md has more', () => {
  const page = read('docs/operations.md');
  assert.ok(rules.length >= 10);
  for (const { alert, labels, annotations } of rules) {
    assert.ok(['critical', 'warning'].includes(labels.severity), alert);
    assert.ok(annotations.summary && annotations.runbook.length > 80, alert);
    assert.ok(page.includes(`| \`${alert}\` `), `docs/operations.md does not say what to do about ${alert}`);
  }
  for (const [, alert = ''] of page.matchAll(/^\| `(Entrepot\w+)`/gm)) {
    assert.ok(
      rules.some((rule) => rule.alert === alert),
      `there is no alert ${alert}`,
    );
  }
});
