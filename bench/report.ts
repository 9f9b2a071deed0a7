/** One line of the table: what was measured, what it has to reach, and what it reached. */
export interface Row {
  readonly name: string;
  readonly bar: string;
  /** The ratios or figures that the bar is about. */
  readonly measured: string;
  readonly passed: boolean;
  /** The figures of every system, for the JSON. */
  readonly figures: Readonly<Record<string, number | readonly number[]>>;
}

/** The rows as a table in Markdown. */
export function renderTable(rows: readonly Row[]): string {
  const cells = [
    ['case', 'bar', 'measured', ''],
    ...rows.map(({ name, bar, measured, passed }) => [name, bar, measured, passed ? 'ok' : 'MISSED']),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(3, ...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`);
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [lines[0], rule, ...lines.slice(1)].join('\n');
}

/** A ratio as people write it. */
export function times(ratio: number): string {
  return `${ratio.toFixed(2)} ×`;
}
