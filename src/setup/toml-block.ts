import { setupMark } from './plan-script.ts';

const begin = `# Begin of what ${setupMark} wrote`;
const end = `# End of what ${setupMark} wrote`;

/**
 * Puts a table of TOML in front of those that another's file has, where it comes first, or in the place of an earlier one of
 * ours. A file that has this very table already stays as it is.
 */
export function putBlock(before: string, table: string): string {
  const rest = withoutBlock(before);
  const header = table.slice(0, table.indexOf('\n'));
  if (rest.split('\n').some((line) => line.trim() === header)) return before;
  // What stands before the first table belongs to none.
  const at = /^[ \t]*\[/m.exec(rest)?.index ?? rest.length;
  const above = rest.slice(0, at);
  const gap = above === '' || above.endsWith('\n') ? '' : '\n';
  return `${above}${gap}${begin}\n${table}${end}\n${rest.slice(at)}`;
}

function withoutBlock(text: string): string {
  const from = text.indexOf(`${begin}\n`);
  const to = text.indexOf(`${end}\n`, from);
  return from < 0 || to < 0 ? text : text.slice(0, from) + text.slice(to + end.length + 1);
}
