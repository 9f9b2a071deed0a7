/** What a scrape says. */
export interface Scrape {
  /** The value of a sample; 0 when there is none, as a counter that never counted. Labels as `{a="b",c="d"}`. */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
  /** The sum of all samples of the name that have these labels, among others. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
  /** The type of each metric, by its name. */
  readonly types: ReadonlyMap<string, string>;
  /** The names of all samples. */
  readonly names: ReadonlySet<string>;
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const labelPattern = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** Reads the text format of Prometheus (version 0.0.4), and throws when a line is not in it; values as Go reads them. */
export function parsePrometheusText(text: string): Scrape {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  if (!text.endsWith('\n')) throw new Error('The last line has no end');
  for (const line of text.slice(0, -1).split('\n')) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (type) types.set(type[1]!, type[2]!);
    else if (line !== '' && !/^# HELP \S+ /.test(line)) samples.push(parseSample(line));
  }
  const of = (name: string, labels: Readonly<Record<string, string>>) =>
    samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
  return {
    value(name, labels = {}) {
      const isExact = (sample: Sample) => Object.keys(sample.labels).length === Object.keys(labels).length;
      return of(name, labels).find(isExact)?.value ?? 0;
    },
    sum: (name, labels = {}) => of(name, labels).reduce((sum, sample) => sum + sample.value, 0),
    types,
    names: new Set(samples.map(({ name }) => name)),
  };
}

function parseSample(line: string): Sample {
  const [, name, labels, value] = sampleLine.exec(line) ?? [];
  const isNumber = value !== undefined && (/^(nan|[+-]?inf)$/i.test(value) || Number.isFinite(Number(value)));
  if (name === undefined || !isNumber) throw new Error(`Not a line of the format: ${line}`);
  return { name, labels: parseLabels(labels ?? '', line), value: Number(value.replace(/inf/i, 'Infinity')) };
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  labelPattern.lastIndex = 0;
  let end = 0;
  for (let match = labelPattern.exec(text); match; match = labelPattern.exec(text)) {
    labels[match[1]!] = match[2]!.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
    end = labelPattern.lastIndex;
  }
  if (end !== text.length) throw new Error(`Not a line of the format: ${line}`);
  return labels;
}
