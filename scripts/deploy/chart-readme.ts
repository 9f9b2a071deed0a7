/** As much of JSON Schema as describes the values of the chart. */
export interface ValueSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, ValueSchema>>;
  readonly additionalProperties?: boolean | ValueSchema;
}

/** A value that can be set. */
export interface ChartValue {
  /** As `--set` has it. */
  readonly name: string;
  readonly schema: ValueSchema;
  readonly default: unknown;
}

/** The values of the chart: each that is no group of others. */
export function chartValues(schema: ValueSchema, defaults: unknown, prefix = ''): ChartValue[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => {
    const name = prefix + key;
    const value = isGroup(defaults) ? defaults[key] : undefined;
    if (inner.properties === undefined) return [{ name, schema: inner, default: value }];
    return chartValues(inner, value, `${name}.`);
  });
}

const begin = '<!-- Values: written by `npm run docs` from values.yaml and values.schema.json; do not edit. -->';
const end = '<!-- End of the values. -->';

/** The page of the chart, with its table of values made anew. */
export function chartReadme(page: string, chart: { readonly values: unknown; readonly schema: ValueSchema }): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error('Cannot find where the table of values goes in the README of the chart');
  const lines = chartValues(chart.schema, chart.values).map(
    ({ name, schema, default: value }) =>
      `| \`${name}\` | ${value === undefined ? '' : `\`${JSON.stringify(value)}\``} | ${schema.description} |`,
  );
  const table = ['| Value | Default | What it is for |', '| --- | --- | --- |', ...lines].join('\n');
  return `${page.slice(0, from)}${begin}\n\n${table}\n\n${page.slice(to)}`;
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
