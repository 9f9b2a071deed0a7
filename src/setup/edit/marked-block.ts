import { setupMark } from '../mark.ts';
import { SetupError } from '../target.ts';
import { keepingMark } from './byte-order-mark.ts';
import { parseToml, saysToml } from './toml-tables.ts';

const begin = `# Begin of what ${setupMark} wrote`;
/** The last line of what is put into a TOML file. */
export const blockEnd = `# End of what ${setupMark} wrote`;

// An editor may since have given every line the end that lines have on Windows.
const ourBlock = new RegExp(`${begin}\\r?\\n[^]*?^${blockEnd}\\r?(?:\\n|$)`, 'm');

/** What is put into a TOML file. */
export interface TomlBlock {
  /** What a file of ours alone says. */
  readonly whole: string;
  /** The table that another's file is given in its place, with the header in its first line. */
  readonly table: string;
}

/**
 * Writes a TOML file, or puts a table in front of those that a TOML file has, where it comes first, or in the place of an
 * earlier one of ours. All that others have written stays as it is; when that has this very table already, nothing is put
 * beside it.
 * @param path what the file is called in errors
 * @throws SetupError UNREADABLE_FILE when the text is no TOML, or has no place where the table can be put safely
 */
export function putBlock(before: string | undefined, block: TomlBlock, path: string): string {
  return keepingMark(before ?? '', (bare) => putInto(withoutBlock(bare), block, path));
}

function putInto(rest: string, { whole, table }: TomlBlock, path: string): string {
  if (rest.trim() === '') return `${begin}\n${whole}${blockEnd}\n${rest}`;
  const there = parseToml(rest, path);
  const [[kind, added] = ['', {}]] = Object.entries(parseToml(table, path));
  const known = there[kind] ?? {};
  const [name = ''] = Object.keys(added as object);
  if (Object.hasOwn(known, name)) return rest;
  const expected = { ...there, [kind]: { ...known, ...(added as object) } };
  // What stands before the first table belongs to none. A line of a list may look like a table's, so the result is read.
  const places = [...[...rest.matchAll(/^[ \t]*\[/gm)].map(({ index }) => index), rest.length];
  const texts = places.map((at) => {
    const above = rest.slice(0, at);
    const gap = above === '' || above.endsWith('\n') ? '' : '\n';
    return `${above}${gap}${begin}\n${table}${blockEnd}\n${rest.slice(at)}`;
  });
  const text = texts.find((each) => saysToml(each, expected));
  if (text !== undefined) return text;
  throw new SetupError(
    'UNREADABLE_FILE',
    `Cannot change "${path}": it has "${kind}" in a way that cannot be changed safely, put this there by hand: ${table.trim()}`,
  );
}

/** A text without what was put into it here. */
export function withoutBlock(text: string): string {
  const found = ourBlock.exec(text);
  return found === null ? text : text.slice(0, found.index) + text.slice(found.index + found[0].length);
}
