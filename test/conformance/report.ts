import type { Results } from './check.ts';

/** One table of the report. */
export interface Section {
  readonly title: string;
  readonly results: Results;
}

/** Everything that failed, for people. */
export function failuresOf(sections: readonly Section[]): string[] {
  return sections.flatMap(({ title, results }) =>
    [...results].flatMap(([row, outcomes]) =>
      [...outcomes].flatMap(([column, outcome]) =>
        outcome.kind === 'failed' ? [`${title}: ${row}, ${column}: ${outcome.reason}`] : [],
      ),
    ),
  );
}

/** How many checks there were. */
export function countOf(sections: readonly Section[]): number {
  return sections.reduce(
    (sum, { results }) => sum + [...results.values()].reduce((count, outcomes) => count + outcomes.size, 0),
    0,
  );
}

/** The tables, as Markdown. */
export function renderSections(sections: readonly Section[]): string {
  return sections.map(renderSection).join('\n');
}

function renderSection({ title, results }: Section): string {
  const columns = [...new Set([...results.values()].flatMap((outcomes) => [...outcomes.keys()]))];
  const rows = [...results].map(([row, outcomes]) => [
    row,
    ...columns.map((column) => cell(outcomes.get(column)?.kind)),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const head = [line(['', ...columns]), line(['---', ...columns.map(() => '---')])];
  return `## ${title}\n\n${[...head, ...rows.map(line)].join('\n')}\n`;
}

function cell(kind: string | undefined): string {
  return kind ?? '–';
}
