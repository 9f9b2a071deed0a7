import type { DashboardPanel, FieldDefaults } from '../dashboard-file.ts';
import { type Line, type Point, partsOf, stackLines, withoutMiddles } from './lines.ts';
import { element, shortNumber, textAt } from './svg.ts';
import { formatValue, scaleOf, ticksUpTo } from './units.ts';

/** A place in the picture, in pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The time that is drawn, in seconds. */
export interface TimeSpan {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

const titleHeight = 34;
const padding = 10;
const axisWidth = 62;
const axisHeight = 18;
const legendLine = 16;
/** How wide a letter of the legend is at most, on average: nobody measures text here. */
const letterWidth = 6.3;
const marker = 16;
const labelWidth = 36;

// Of about the same lightness, so that they can be told from a white and from a black ground.
const colours = ['#56a64b', '#d69e00', '#3274d9', '#f2711c', '#e02f44', '#a352cc', '#1197a3', '#8a8a8a'];
const colourOf = (at: number) => colours[at % colours.length]!;

/** A panel that shows one value. */
export function drawStat({ fieldConfig }: DashboardPanel, box: Box, lines: readonly Line[]): string {
  const middle = box.x + box.width / 2;
  const value = lines[0]?.points.at(-1)?.[1];
  if (fieldConfig === undefined || value === undefined) return noData(box);
  const { unit, thresholds } = fieldConfig.defaults;
  const colour = thresholds.steps.findLast((step) => (step.value ?? Number.NEGATIVE_INFINITY) <= value)?.color;
  const text = formatValue(value, scaleOf(unit, value));
  const y = box.y + box.height / 2 + 21; // the middle of what the title leaves
  if (thresholds.steps.length === 1) return textAt(middle, y, `stat ${colour}`, text, 'middle');
  const ground = { x: box.x + 6, y: box.y + 28, width: box.width - 12, height: box.height - 34 };
  return element('rect', { ...ground, rx: 3, class: colour }) + textAt(middle, y, 'stat onColour', text, 'middle');
}

/** A panel that shows lines over time. */
export function drawGraph({ fieldConfig }: DashboardPanel, box: Box, lines: readonly Line[], span: TimeSpan): string {
  const shown = lines.filter(({ points }) => points.some(([, value]) => Number.isFinite(value)));
  if (fieldConfig === undefined || shown.length === 0) return noData(box);
  const { defaults } = fieldConfig;
  const legend = layOutLegend(shown, box);
  const plot = {
    x: box.x + axisWidth,
    y: box.y + titleHeight,
    width: box.width - axisWidth - padding,
    height: box.height - titleHeight - axisHeight - legend.height - padding,
  };
  const isStacked = defaults.custom?.stacking.mode === 'normal';
  const drawn = isStacked ? stackLines(shown) : shown.map((line) => ({ line, floor: undefined }));
  const top = drawn.flatMap(({ line }) => line.points.map(([, value]) => value)).filter(Number.isFinite);
  const { grid, most } = drawAxes(defaults, plot, Math.max(...top), span);
  const place = ([seconds, value]: Point): Point => [
    plot.x + (plot.width * (seconds - span.from)) / (span.to - span.from),
    plot.y + plot.height * (1 - Math.min(value / most, 1)),
  ];
  const curves = drawn.map(({ line, floor }, at) => {
    const floors = new Map(floor);
    return partsOf(line.points, span.step)
      .map((part) => {
        const ground = floor && part.map(([seconds]) => place([seconds, floors.get(seconds) ?? 0]));
        return drawCurve(part.map(place), colourOf(at), ground);
      })
      .join('');
  });
  return grid + curves.join('') + legend.text;
}

function drawCurve(points: readonly Point[], stroke: string, ground: readonly Point[] | undefined): string {
  const path = (each: readonly Point[]) =>
    withoutMiddles(each.map(([x, y]) => [Math.round(x), Number(y.toFixed(1))] as const))
      .map(([x, y]) => `${x} ${shortNumber(y)}`)
      .join('L');
  const area =
    ground && element('path', { d: `M${path(points)}L${path(ground.toReversed())}Z`, class: 'area', fill: stroke });
  const only = points.length === 1 ? 'h1' : ''; // a line of one point would be none
  return (area ?? '') + element('path', { d: `M${path(points)}${only}`, class: 'line', stroke });
}

/** The lines across with their values, and the times below. */
function drawAxes({ unit, max }: FieldDefaults, plot: Box, largest: number, { from, to }: TimeSpan) {
  const scale = scaleOf(unit, max ?? largest);
  const ticks = ticksUpTo(max ?? largest, scale);
  const most = ticks.at(-1)!;
  const across = ticks.map((value) => {
    const y = plot.y + plot.height * (1 - value / most);
    const line = element('path', { d: `M${plot.x} ${shortNumber(y)}h${shortNumber(plot.width)}`, class: 'grid' });
    return line + textAt(plot.x - 6, y + 4, 'muted', formatValue(value, scale), 'end');
  });
  const minutes = Math.floor((to - from) / 60);
  const below = Array.from({ length: minutes + 1 }, (_, minute) => {
    const offset = (plot.width * minute * 60) / (to - from);
    // At an end it would reach beyond the panel.
    const anchor = minute === 0 ? undefined : plot.width - offset < labelWidth / 2 ? 'end' : 'middle';
    return textAt(plot.x + offset, plot.y + plot.height + 14, 'muted', `${minute} min`, anchor);
  });
  return { grid: across.join('') + below.join(''), most };
}

/** The names of the lines, in as many rows as they need. */
function layOutLegend(lines: readonly Line[], box: Box): { readonly text: string; readonly height: number } {
  const places: { readonly row: number; readonly x: number }[] = [];
  const right = box.x + box.width - padding;
  let [row, x] = [0, box.x + padding];
  for (const { name } of lines) {
    const width = marker + name.length * letterWidth + 10;
    if (x + width > right && x > box.x + padding) [row, x] = [row + 1, box.x + padding];
    places.push({ row, x });
    x += width;
  }
  const height = (row + 1) * legendLine;
  const bottom = box.y + box.height - padding + 4;
  const text = lines.map(({ name }, at) => {
    const place = places[at]!;
    const y = bottom - (row - place.row) * legendLine;
    const mark = element('rect', { x: place.x, y: y - 6, width: 11, height: 3, fill: colourOf(at) });
    return mark + textAt(place.x + marker, y, 'legend', name);
  });
  return { text: text.join(''), height };
}

function noData(box: Box): string {
  return textAt(box.x + box.width / 2, box.y + box.height / 2 + 8, 'muted', 'No data', 'middle');
}
