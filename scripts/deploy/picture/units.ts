/** How the values of an axis are written: divided, and with a suffix. */
export interface UnitScale {
  readonly factor: number;
  readonly suffix: string;
}

type Prefixes = readonly (readonly [factor: number, suffix: string])[];

const thousands = (unit: string): Prefixes =>
  ['', 'k', 'M', 'G', 'T'].map((prefix, power) => [1000 ** power, `${prefix}${unit}`]);

/** The units of the dashboard, by Grafana's names, each from its smallest prefix on. */
const units: Readonly<Record<string, Prefixes>> = {
  percentunit: [[0.01, '%']],
  bytes: ['B', 'KiB', 'MiB', 'GiB', 'TiB'].map((suffix, power) => [1024 ** power, ` ${suffix}`]),
  Bps: thousands('B/s').map(([factor, suffix]) => [factor, ` ${suffix}`]),
  reqps: [[1, ' req/s']],
  s: [
    [1e-6, ' µs'],
    [1e-3, ' ms'],
    [1, ' s'],
  ],
  short: thousands(''),
};

/**
 * The scale for values up to one.
 * @throws Error when the unit is none that the dashboard had when this was written
 */
export function scaleOf(unit: string, most: number): UnitScale {
  const prefixes = units[unit];
  if (prefixes === undefined) throw new Error(`Cannot write values in "${unit}": add it to the units of the picture`);
  const [factor, suffix] = prefixes.findLast(([each]) => each <= Math.abs(most)) ?? prefixes[0]!;
  return { factor, suffix };
}

/** A value with its unit, to three digits. */
export function formatValue(value: number, { factor, suffix }: UnitScale): string {
  return `${Number((value / factor).toPrecision(3))}${suffix}`;
}

/** Where lines go across a graph: a few round values from 0 to one that is not below the largest. */
export function ticksUpTo(most: number, { factor }: UnitScale): number[] {
  const wanted = 4;
  const rough = (most > 0 ? most / factor : 1) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  // Rounding errors of the division must not make it one step more.
  const step = ([1, 2, 2.5, 5, 10].find((each) => each * power >= rough * (1 - 1e-9)) ?? 10) * power;
  const count = Math.ceil(((most > 0 ? most / factor : 1) / step) * (1 - 1e-9));
  return Array.from({ length: count + 1 }, (_, at) => at * step * factor);
}
