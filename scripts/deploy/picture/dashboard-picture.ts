import type { Dashboard, DashboardPanel } from '../dashboard-file.ts';
import type { Line } from './lines.ts';
import { type Box, drawGraph, drawStat, type TimeSpan } from './panels.ts';
import { element, textAt } from './svg.ts';

/** The lines of a panel. */
export type LinesOf = (panel: DashboardPanel) => readonly Line[];

const columnWidth = 50; // of Grafana's 24
const unitHeight = 30;
const gap = 8;

// Every text has a ground of its own below it, so it can be read whatever the page around the picture looks like.
const style = `
text { font: 12px Inter, "Helvetica Neue", Helvetica, Arial, sans-serif; fill: #24292e }
.page { fill: #f1f2f4 } .panel { fill: #ffffff; stroke: #d9dadd } .grid { stroke: #e4e5e8; fill: none }
.title, .row { font-weight: 600 } .row { font-size: 14px } .legend { font-size: 11px }
.muted { font-size: 11px; fill: #63666d } .stat { font-size: 28px; font-weight: 600 }
.green { fill: #3f8f36 } .red { fill: #d2283c } .onColour { fill: #ffffff }
.line { fill: none; stroke-width: 1.5; stroke-linejoin: round } .area { opacity: 0.3 }
@media (prefers-color-scheme: dark) {
  text { fill: #d8d9da } .page { fill: #111217 } .panel { fill: #181b1f; stroke: #2c3036 } .grid { stroke: #2c3036 }
  .muted { fill: #9fa3aa } .stat.green { fill: #73bf69 }
}`;

/** Draws the dashboard as an SVG: its panels, where and as its definition says, with the lines that they are given. */
export function drawDashboard(dashboard: Dashboard, linesOf: LinesOf, span: TimeSpan): string {
  const bottom = Math.max(...dashboard.panels.map(({ gridPos: { y, h } }) => y + h));
  const [width, height] = [24 * columnWidth + gap, bottom * unitHeight + gap];
  const panels = dashboard.panels.map((panel) => `${drawPanel(panel, linesOf, span)}\n`);
  const content = [
    element('title', {}, `The dashboard ${dashboard.title}`),
    element('style', {}, style),
    `${element('rect', { width, height, class: 'page' })}\n`,
    ...panels,
  ];
  const size = { viewBox: `0 0 ${width} ${height}`, width, height };
  return `${element('svg', { xmlns: 'http://www.w3.org/2000/svg', ...size, role: 'img' }, content.join(''))}\n`;
}

function drawPanel(panel: DashboardPanel, linesOf: LinesOf, span: TimeSpan): string {
  const { x, y, w, h } = panel.gridPos;
  const box: Box = {
    x: x * columnWidth + gap,
    y: y * unitHeight + gap,
    width: w * columnWidth - gap,
    height: h * unitHeight - gap,
  };
  if (panel.type === 'row') return textAt(box.x + 2, box.y + 17, 'row', panel.title);
  const frame = element('rect', { ...box, rx: 3, class: 'panel' });
  const title = textAt(box.x + 10, box.y + 18, 'title', panel.title);
  const lines = linesOf(panel);
  return frame + title + (panel.type === 'stat' ? drawStat(panel, box, lines) : drawGraph(panel, box, lines, span));
}
