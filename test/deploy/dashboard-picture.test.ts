import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Dashboard, type DashboardPanel, readDashboard } from '../../scripts/deploy/dashboard-file.ts';
import { drawDashboard } from '../../scripts/deploy/picture/dashboard-picture.ts';
import { type Line, lineName, partsOf, stackLines } from '../../scripts/deploy/picture/lines.ts';
import { formatValue, scaleOf, ticksUpTo } from '../../scripts/deploy/picture/units.ts';

const path = 'docs/images/dashboard.svg';
const picture = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const dashboard = readDashboard();
const span = { from: 0, to: 120, step: 60 };
const howTo = `${path} is not of this dashboard: node scripts/draw-dashboard.ts`;

/** The frame and the title of each panel, and the titles of rows. */
const framesOf = (svg: string) =>
  svg.match(/<rect [^>]*class="panel"\/>|<text [^>]*class="(?:title|row)"[^<]*<\/text>/g);
const textsOf = (svg: string) => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text = '']) => text);

/** A dashboard of one panel. */
function dashboardOf(panel: Partial<DashboardPanel> = {}): Dashboard {
  const defaults = { unit: 'short', thresholds: { steps: [{ color: 'green', value: null }] } };
  const gridPos = { x: 0, y: 0, w: 12, h: 8 };
  const base = { id: 1, type: 'timeseries', title: 'Panel', gridPos, fieldConfig: { defaults } };
  return { title: 'Test', panels: [{ ...base, ...panel }], templating: { list: [] } };
}

const draw = (lines: readonly Line[], panel?: Partial<DashboardPanel>) =>
  drawDashboard(dashboardOf(panel), () => lines, span);

test('the picture has every panel of the dashboard, by its title and in its place, and no other', () => {
  const frames = framesOf(picture);
  assert.deepEqual(frames, framesOf(drawDashboard(dashboard, () => [], span)), howTo);
  assert.ok(frames!.length > dashboard.panels.length);
});

test('every panel of the picture shows something, and names what it shows', () => {
  const texts = new Set(textsOf(picture));
  assert.ok(!texts.has('No data'), 'a panel shows nothing');
  const names = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ legendFormat }) => legendFormat));
  for (const name of names.filter((each) => each !== '' && !each.includes('{{'))) assert.ok(texts.has(name), howTo);
});

test('the picture is small, for light and dark pages, and asks for nothing from elsewhere', () => {
  assert.ok(picture.length < 150_000, `${picture.length} bytes`);
  assert.match(picture, /@media \(prefers-color-scheme: dark\)/);
  assert.doesNotMatch(
    picture.replace('http://www.w3.org/2000/svg', ''),
    /https?:|href|url\(|@import|@font-face|<script/,
  );
});

test('drawDashboard() writes XML, whatever is in titles and names', () => {
  const svg = draw([{ name: 'a<b & "c"', points: [[0, 1]] }], { title: '1 < 2 & 3' });
  assert.ok(svg.includes('>1 &lt; 2 &amp; 3</text>'));
  const open: string[] = [];
  for (const [, end, name, empty] of svg.matchAll(/<(\/?)([a-z]+)(?:\s+[a-zA-Z-]+="[^"<]*")*\s*(\/?)>/g)) {
    if (end) assert.equal(open.pop(), name);
    else if (!empty) open.push(name!);
  }
  assert.deepEqual(open, []);
});

test('drawDashboard() draws a line from the bottom of its panel to the height of its values', () => {
  const svg = draw([
    {
      name: 'up',
      points: [
        [0, 0],
        [60, 50],
        [120, 100],
      ],
    },
  ]);
  const [, d = ''] = /<path d="([^"]*)" class="line"/.exec(svg) ?? [];
  const points = d
    .slice(1)
    .split('L')
    .map((point) => point.split(' ').map(Number));
  const [[left, bottom], [middle, half], [right, top]] = points as [number[], number[], number[]];
  assert.deepEqual([middle, half], [(left! + right!) / 2, (bottom! + top!) / 2]);
  assert.ok(bottom! > top! && right! > left!);
  assert.deepEqual(textsOf(svg), ['Panel', '0', '25', '50', '75', '100', '0 min', '1 min', '2 min', 'up']);
});

test('drawDashboard() says where there is no data, and leaves out lines that have none', () => {
  assert.ok(textsOf(draw([{ name: 'gone', points: [[0, Number.NaN]] }])).includes('No data'));
  const texts = textsOf(
    draw([
      { name: 'gone', points: [] },
      { name: 'here', points: [[0, 1]] },
    ]),
  );
  assert.deepEqual([texts.includes('gone'), texts.includes('here')], [false, true]);
  assert.ok(textsOf(draw([], { type: 'stat' })).includes('No data'));
});

test('drawDashboard() writes the last value of a panel of one value, in the colour of its threshold', () => {
  const steps = [
    { color: 'green', value: null },
    { color: 'red', value: 1 },
  ];
  const fieldConfig = { defaults: { unit: 'percentunit', thresholds: { steps } } };
  for (const [value, colour, text] of [
    [0.5, 'green', '50%'],
    [1, 'red', '100%'],
  ] as const) {
    const svg = draw(
      [
        {
          name: '',
          points: [
            [0, 0.1],
            [1, value],
          ],
        },
      ],
      { type: 'stat', fieldConfig },
    );
    assert.ok(svg.includes(`class="${colour}"/>`));
    assert.ok(textsOf(svg).includes(text), text);
  }
});

test('lineName() fills in the labels of the series', () => {
  assert.equal(lineName('{{upstream}} {{result}}', { upstream: 'docker.io', result: '200' }), 'docker.io 200');
  assert.equal(lineName('login: {{result}}', {}), 'login:');
});

test('stackLines() puts each line on those before it, at the times that it has', () => {
  const [first, second] = stackLines([
    {
      name: 'a',
      points: [
        [0, 1],
        [1, 2],
      ],
    },
    {
      name: 'b',
      points: [
        [1, 5],
        [2, 7],
        [3, Number.NaN],
      ],
    },
  ]);
  assert.deepEqual(
    [first?.line.points, first?.floor],
    [
      [
        [0, 1],
        [1, 2],
      ],
      [
        [0, 0],
        [1, 0],
      ],
    ],
  );
  assert.deepEqual(
    [second?.line.points, second?.floor],
    [
      [
        [1, 7],
        [2, 7],
      ],
      [
        [1, 2],
        [2, 0],
      ],
    ],
  );
});

test('partsOf() breaks a line where values are missing or no numbers', () => {
  assert.deepEqual(
    partsOf(
      [
        [0, 1],
        [1, 2],
        [3, 4],
        [4, Number.NaN],
        [5, 6],
      ],
      1,
    ),
    [
      [
        [0, 1],
        [1, 2],
      ],
      [[3, 4]],
      [[5, 6]],
    ],
  );
});

test('values are written in the units of Grafana', () => {
  const written = (unit: string, value: number) => formatValue(value, scaleOf(unit, value));
  assert.deepEqual(
    [
      ...[written('percentunit', 0.3125), written('bytes', 1536), written('bytes', -3 * 2 ** 20), written('Bps', 2e6)],
      ...[
        written('s', 0.0123),
        written('s', 2.5),
        written('short', 12_345),
        written('reqps', 0.25),
        written('bytes', 0),
      ],
    ],
    ['31.3%', '1.5 KiB', '-3 MiB', '2 MB/s', '12.3 ms', '2.5 s', '12.3k', '0.25 req/s', '0 B'],
  );
  assert.throws(() => scaleOf('furlong', 1), /Cannot write values in "furlong"/);
});

test('ticksUpTo() gives round values from 0 to one that is not below the largest', () => {
  const ticks = (most: number) => ticksUpTo(most, { factor: 1, suffix: '' });
  assert.deepEqual(
    [ticks(2), ticks(7), ticks(0)],
    [
      [0, 0.5, 1, 1.5, 2],
      [0, 2, 4, 6, 8],
      [0, 0.25, 0.5, 0.75, 1],
    ],
  );
  for (let most = 0.001; most < 1e6; most *= 1.37) {
    const found = ticks(most);
    assert.ok(
      found.at(-1)! >= most * (1 - 1e-6) && found.at(-1)! < 2.5 * most && found.length <= 6,
      `${most}: ${found}`,
    );
  }
});
