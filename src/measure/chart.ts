/** One bar of a chart. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What is written after it. */
  readonly text: string;
}

const barLength = 40; // with labels and figures, it fits into the 80 columns that every terminal has
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** What bars are drawn with: blocks of an eighth of a column, for terminals, or letters that every file can hold. */
export type ChartStyle = 'blocks' | 'letters';

/** Draws bars below each other, the longest for the largest value. */
export function renderChart(bars: readonly Bar[], style: ChartStyle): string {
  const labelLength = Math.max(0, ...bars.map(({ label }) => label.length));
  const largest = Math.max(0, ...bars.map(({ value }) => value));
  const lines = bars.map(({ label, value, text }) => {
    const bar = drawBar(largest === 0 ? 0 : value / largest, style);
    return `  ${label.padEnd(labelLength)}  ${bar.padEnd(barLength)}  ${text}\n`;
  });
  return lines.join('');
}

function drawBar(part: number, style: ChartStyle): string {
  // What was measured has a bar that can be seen, however small it is beside the others.
  if (style === 'letters') return '#'.repeat(Math.max(1, Math.round(part * barLength)));
  const length = Math.max(1, Math.round(part * barLength * 8));
  return `${'█'.repeat(Math.floor(length / 8))}${eighths[length % 8]}`;
}
