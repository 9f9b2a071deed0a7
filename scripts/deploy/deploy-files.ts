import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { chartReadme } from './chart-readme.ts';
import { grafanaDashboard } from './grafana-dashboard.ts';

const chart = 'deploy/helm/entrepot';
const monitoring = 'deploy/kubernetes/components/monitoring';

/** The files of deploy/ that are made from others, by their path: neither kustomize nor helm reads beyond its folder. */
export function deployFiles(): Readonly<Record<string, string>> {
  const dashboard = grafanaDashboard();
  return {
    [`${monitoring}/dashboard.json`]: dashboard,
    [`${chart}/files/dashboard.json`]: dashboard,
    [`${chart}/files/alerts.yaml`]: alertsOf(read(`${monitoring}/prometheusrule.yaml`)),
    [`${chart}/README.md`]: chartReadme(read(`${chart}/README.md`), {
      values: parse(read(`${chart}/values.yaml`)),
      schema: JSON.parse(read(`${chart}/values.schema.json`)),
    }),
  };
}

/** The groups of a PrometheusRule alone, as Prometheus reads them, too. */
function alertsOf(rule: string): string {
  const { spec } = parse(rule) as { spec: { groups: unknown } };
  const note = '# Written by `npm run docs` from the PrometheusRule of deploy/kubernetes; do not edit.\n';
  return note + stringify({ groups: spec.groups }, { lineWidth: 0 });
}

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}
