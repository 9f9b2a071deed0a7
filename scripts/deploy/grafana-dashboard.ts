import { type Panel, rows } from './grafana-panels.ts';

// Grafana lays panels out on 24 columns.
const columns = 24;
const rowHeight = 1;
const statHeight = 4;
const graphHeight = 8;

const source = { type: 'prometheus', uid: '$source' };

/** The dashboard for Grafana, as JSON: the panels of `grafana-panels.ts`, row by row, each with its place. */
export function grafanaDashboard(): string {
  const panels: object[] = [];
  let y = 0;
  const add = (panel: object) => panels.push({ id: panels.length + 1, ...panel });
  for (const { title, panels: inRow } of rows) {
    add({ type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: columns, h: rowHeight }, panels: [] });
    y += rowHeight;
    let x = 0;
    let height = 0;
    for (const panel of inRow) {
      const h = panel.kind === 'stat' ? statHeight : graphHeight;
      if (x + panel.width > columns) {
        x = 0;
        y += height;
        height = 0;
      }
      add(drawPanel(panel, { x, y, w: panel.width, h }));
      x += panel.width;
      height = Math.max(height, h);
    }
    y += height;
  }
  return `${JSON.stringify({ ...frame, panels }, null, 2)}\n`;
}

const frame = {
  title: 'Entrepot',
  uid: 'entrepot',
  description: 'A cache for container registries: what it answers, what it fetches, and how it is.',
  tags: ['entrepot', 'registry'],
  schemaVersion: 39,
  editable: true,
  refresh: '1m',
  time: { from: 'now-6h', to: 'now' },
  timezone: 'browser',
  templating: {
    list: [
      { name: 'source', label: 'Data source', type: 'datasource', query: 'prometheus', refresh: 1 },
      labelVariable('job', 'label_values(entrepot_store_limit_bytes, job)'),
      labelVariable('instance', 'label_values(entrepot_store_limit_bytes{job=~"$job"}, instance)'),
    ],
  },
};

function labelVariable(name: string, query: string): object {
  return {
    ...{ name, label: name === 'job' ? 'Job' : 'Replica', type: 'query', datasource: source },
    ...{ query: { query, refId: name }, definition: query, refresh: 2, sort: 1 },
    ...{ multi: true, includeAll: true, current: { text: 'All', value: '$__all' } },
  };
}

function drawPanel(panel: Panel, gridPos: object): object {
  const { kind, title, about, unit, queries, steps, stacked, max } = panel;
  const thresholds = {
    mode: 'absolute',
    steps: [{ color: 'green', value: null }, ...(steps ?? []).map(([value, color]) => ({ color, value }))],
  };
  const lines = {
    ...{ drawStyle: 'line', lineWidth: 1, fillOpacity: stacked ? 30 : 8, showPoints: 'never' },
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
  };
  const defaults = {
    ...{ unit, min: 0, thresholds },
    ...(max === undefined ? {} : { max }),
    ...(kind === 'stat' ? {} : { custom: lines }),
  };
  const reduce = { calcs: ['lastNotNull'], fields: '', values: false };
  const options =
    kind === 'stat'
      ? { reduceOptions: reduce, colorMode: steps ? 'background' : 'value', graphMode: 'area', textMode: 'auto' }
      : {
          legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
          tooltip: { mode: 'multi', sort: 'desc' },
        };
  return {
    ...{ type: kind === 'stat' ? 'stat' : 'timeseries', title, description: about, datasource: source, gridPos },
    fieldConfig: { defaults, overrides: [] },
    options,
    targets: queries.map(([legendFormat, expr], index) => ({
      ...{ refId: String.fromCharCode(65 + index), datasource: source, expr, legendFormat },
      ...(kind === 'stat' ? { instant: true, range: false } : { range: true }),
    })),
  };
}
