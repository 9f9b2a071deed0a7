import { readFileSync } from 'node:fs';

/** A panel of the dashboard, as Grafana's JSON has it; a row is one, too. */
export interface DashboardPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly DashboardQuery[];
  readonly fieldConfig?: { readonly defaults: FieldDefaults };
}

/** A query of a panel. */
export interface DashboardQuery {
  readonly expr: string;
  readonly legendFormat: string;
}

/** How the values of a panel are shown. */
export interface FieldDefaults {
  readonly unit: string;
  readonly max?: number;
  readonly thresholds: { readonly steps: readonly { readonly color: string; readonly value: number | null }[] };
  readonly custom?: { readonly stacking: { readonly mode: string } };
}

/** The dashboard. */
export interface Dashboard {
  readonly title: string;
  readonly panels: readonly DashboardPanel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

/** Reads the dashboard that is given to Grafana. */
export function readDashboard(): Dashboard {
  const file = new URL('../../deploy/kubernetes/components/monitoring/dashboard.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** A query as Grafana asks it, of all jobs and replicas. */
export function fillQuery(
  expr: string,
  { scrapeMs, rangeMs }: { readonly scrapeMs: number; readonly rangeMs: number },
) {
  return expr
    .replaceAll('$__rate_interval', `${4 * scrapeMs}ms`) // as Grafana makes it
    .replaceAll('$__range', `${rangeMs}ms`)
    .replaceAll(/\$\w+/g, '.*');
}
