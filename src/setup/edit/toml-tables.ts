import { isDeepStrictEqual } from 'node:util';
import { parse } from 'smol-toml';
import { SetupError } from '../target.ts';
import { keepingMark } from './byte-order-mark.ts';

/** What a table of a TOML file is to have. */
export interface TomlSetting {
  /** Where the table is: `['registry', 'docker.io']`. */
  readonly table: readonly string[];
  readonly key: string;
  /** A list begins with these, before what is in it; anything else is the whole value. */
  readonly value: readonly string[] | boolean;
}

type Table = Record<string, unknown>;

/**
 * Makes a TOML text say what it is to say, and leaves every other byte as it is, comments included.
 * The result is read again, and has to say what the text said before and the settings, and nothing else.
 * @param path what the file is called in errors
 * @throws SetupError UNREADABLE_FILE when the text is no TOML, contradicts a setting, or says things in a way that is not
 *   found in its lines
 */
export function setInTables(text: string, settings: readonly TomlSetting[], path: string): string {
  return keepingMark(text, (bare) => settings.reduce((before, setting) => setInTable(before, setting, path), bare));
}

/** Reads a TOML text. @throws SetupError UNREADABLE_FILE */
export function parseToml(text: string, path: string): Table {
  try {
    return parse(text, { integersAsBigInt: true });
  } catch (error) {
    const [what = ''] = (error as Error).message.split('\n');
    throw new SetupError('UNREADABLE_FILE', `Cannot change "${path}": it is not TOML (${what}), mend it first`);
  }
}

function setInTable(text: string, setting: TomlSetting, path: string): string {
  const expected = parseToml(text, path);
  const table = tableAt(expected, setting.table);
  const old = table?.[setting.key];
  if (table && holds(old, setting.value)) return text;
  if (old !== undefined && !(Array.isArray(old) && Array.isArray(setting.value))) throw contradiction(setting, path);

  const changed = table === undefined ? appendTable(text, setting) : changeTable(text, setting, old !== undefined);
  put(expected, setting);
  if (changed === undefined || !saysToml(changed, expected)) {
    throw new SetupError(
      'UNREADABLE_FILE',
      `Cannot change "${path}": it has ${nameOf(setting.table)} in a way that cannot be changed safely, ` +
        `put ${setting.key} = ${write(setting.value)} there by hand`,
    );
  }
  return changed;
}

function contradiction({ table, key, value }: TomlSetting, path: string): SetupError {
  return new SetupError(
    'UNREADABLE_FILE',
    `Cannot change "${path}": ${key} of ${nameOf(table)} has another value there, make it ${write(value)} or remove it first`,
  );
}

function holds(old: unknown, value: TomlSetting['value']): boolean {
  if (typeof value === 'boolean') return old === value;
  return Array.isArray(old) && value.every((item, number) => old[number] === item);
}

/** Whether a text is TOML and says this, and nothing else. */
export function saysToml(text: string, expected: Table): boolean {
  try {
    return isDeepStrictEqual(bare(parse(text, { integersAsBigInt: true })), bare(expected));
  } catch {
    return false;
  }
}

/** Tables without what is only about who made them: those of the parser have no prototype. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  return isTable(value) ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, bare(each)])) : value;
}

function tableAt(root: Table, path: readonly string[]): Table | undefined {
  let at: unknown = root;
  for (const key of path) at = isTable(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  return isTable(at) ? at : undefined;
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** Puts the setting where it belongs; where something else than a table is in the way, nothing, so that no text says it. */
function put(root: Table, { table, key, value }: TomlSetting): void {
  let at = root;
  for (const name of table) {
    if (!Object.hasOwn(at, name)) at[name] = Object.create(null); // as the tables of the parser are
    const next = at[name];
    if (!isTable(next)) return;
    at = next;
  }
  at[key] = Array.isArray(value) ? [...value, ...((at[key] as unknown[] | undefined) ?? [])] : value;
}

function appendTable(text: string, { table, key, value }: TomlSetting): string {
  const end = lineEndOf(text);
  const blank = text === '' ? '' : text.endsWith('\n') ? end : `${end}${end}`;
  return `${text}${blank}${nameOf(table)}${end}  ${key} = ${write(value)}${end}`;
}

/** Changes the table in the lines below its header; undefined when there is no such header. */
function changeTable(text: string, { table, key, value }: TomlSetting, isKnown: boolean): string | undefined {
  const header = headersOf(text).find(({ path }) => isDeepStrictEqual(path, table));
  if (!header) return undefined;
  const end = lineEndOf(text);
  if (!isKnown) {
    const [indent] = /^[ \t]*/.exec(text.slice(header.end)) ?? [''];
    const line = `${header.isClosed ? '' : end}${indent || '  '}${key} = ${write(value)}${end}`;
    return text.slice(0, header.end) + line + text.slice(header.end);
  }
  const section = text.slice(header.end);
  const list = new RegExp(`^[ \\t]*"?${key}"?[ \\t]*=[ \\t]*\\[`, 'm').exec(section);
  if (!list || !Array.isArray(value)) return undefined;
  const at = header.end + list.index + list[0].length;
  const isEmpty = /^\s*\]/.test(text.slice(at));
  return `${text.slice(0, at)}${value.map(quote).join(', ')}${isEmpty ? '' : ', '}${text.slice(at)}`;
}

/** A line that may begin a table; one within a string of several lines looks the same, so the result is read again. */
interface Header {
  readonly path: readonly string[];
  /** Where the line after it begins. */
  readonly end: number;
  /** Whether its line ends before the text does. */
  readonly isClosed: boolean;
}

function headersOf(text: string): Header[] {
  return [...text.matchAll(/^[ \t]*\[(?!\[)([^\n]*?)\][ \t]*(?:#[^\n]*)?(\r?\n|$)/gm)].flatMap((match) => {
    const path = pathOf(match[1] ?? '');
    const isClosed = match[2] !== '';
    return path ? [{ path, end: match.index + match[0].length, isClosed }] : [];
  });
}

function pathOf(name: string): string[] | undefined {
  try {
    const path: string[] = [];
    let at: unknown = parse(`[${name}]`);
    while (isTable(at) && Object.keys(at).length === 1) {
      const [[key, next] = ['', undefined]] = Object.entries(at);
      path.push(key);
      at = next;
    }
    return path;
  } catch {
    return undefined;
  }
}

/** The header of a table: `[registry."docker.io"]`. */
function nameOf(table: readonly string[]): string {
  return `[${table.map((key) => (/^[A-Za-z0-9_-]+$/.test(key) ? key : quote(key))).join('.')}]`;
}

function write(value: TomlSetting['value']): string {
  return typeof value === 'boolean' ? String(value) : `[${value.map(quote).join(', ')}]`;
}

/** Text as TOML has it in quotes. */
export function quote(text: string): string {
  // JSON's escapes are among those of TOML; what JSON leaves as it is but TOML does not is DEL.
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}

function lineEndOf(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}
