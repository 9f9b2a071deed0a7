import { setupMark } from '../mark.ts';

const begin = `# Begin of what ${setupMark} wrote`;
const end = `# End of what ${setupMark} wrote`;

/** What is put into a TOML file. */
export interface TomlBlock {
  /** What a file of ours alone says. */
  readonly whole: string;
  /** The table that another's file is given in its place, with the header in its first line. */
  readonly table: string;
}

/**
 * Writes a TOML file, or puts a table in front of those that a TOML file has, where it comes first, or in the place of an earlier one of ours. All
 * that others have written stays as it is; when that has this very table already, nothing is put beside it.
 */
export function putBlock(before: string | undefined, { whole, table }: TomlBlock): string {
  const rest = withoutBlock(before ?? '');
  if (rest.trim() === '') return `${begin}\n${whole}${end}\n${rest}`;
  const header = table.slice(0, table.indexOf('\n'));
  if (rest.split('\n').some((line) => line.trim() === header)) return rest;
  // What stands before the first table belongs to none.
  const at = /^[ \t]*\[/m.exec(rest)?.index ?? rest.length;
  const above = rest.slice(0, at);
  const gap = above === '' || above.endsWith('\n') ? '' : '\n';
  return `${above}${gap}${begin}\n${table}${end}\n${rest.slice(at)}`;
}

/** A text without what was put into it here. */
export function withoutBlock(text: string): string {
  const from = text.indexOf(`${begin}\n`);
  const to = text.indexOf(`${end}\n`, from);
  return from < 0 || to < 0 ? text : text.slice(0, from) + text.slice(to + end.length + 1);
}
