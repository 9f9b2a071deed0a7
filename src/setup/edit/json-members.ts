/** A member of the outermost object of a JSON text, by its places in it. */
interface Member {
  readonly key: string;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/**
 * Sets a member of the outermost object of a JSON text to a list, and leaves every other byte as it is: numbers that no
 * double holds, escapes, and the way that somebody has laid it out.
 * @param text a text that `JSON.parse` takes, with an object outermost
 */
export function setListMember(text: string, key: string, list: readonly string[]): string {
  const members = membersOf(text);
  const style = styleOf(text, members);
  // Of two members of one name, parsers take the last.
  const known = members.findLast((member) => member.key === key);
  if (known) {
    const old = text.slice(known.valueStart, known.valueEnd);
    return `${text.slice(0, known.valueStart)}${writeList(list, style, old)}${text.slice(known.valueEnd)}`;
  }
  const member = `${JSON.stringify(key)}${style.colon}${writeList(list, style, undefined)}`;
  const last = members.at(-1);
  if (last) return `${text.slice(0, last.valueEnd)},${style.beforeMember}${member}${text.slice(last.valueEnd)}`;
  const open = text.indexOf('{');
  const close = text.lastIndexOf('}');
  return `${text.slice(0, open + 1)}${style.beforeMember}${member}${style.lineEnd}${text.slice(close)}`;
}

/** How somebody has laid a text out. */
interface Style {
  /** What ends a line; empty when all is on one. */
  readonly lineEnd: string;
  /** What one level is moved in by. */
  readonly indent: string;
  readonly beforeMember: string;
  readonly colon: string;
}

function styleOf(text: string, members: readonly Member[]): Style {
  const [, beforeMember] = /^[^{]*\{(\s*)"/.exec(text) ?? [];
  const [first] = members;
  const [colon] = first ? (/\s*:\s*$/.exec(text.slice(0, first.valueStart)) ?? []) : [];
  if (beforeMember === undefined) return { lineEnd: '\n', indent: '  ', beforeMember: '\n  ', colon: ': ' };
  const [lineEnd = ''] = /\r?\n/.exec(beforeMember) ?? [];
  const indent = lineEnd === '' ? '' : beforeMember.slice(beforeMember.lastIndexOf('\n') + 1);
  // Blank lines before the first member are not wanted before every other.
  const between = lineEnd === '' ? beforeMember || (colon === ':' ? '' : ' ') : `${lineEnd}${indent}`;
  return { lineEnd, indent, beforeMember: between, colon: colon ?? ': ' };
}

function writeList(list: readonly string[], { lineEnd, indent, colon }: Style, old: string | undefined): string {
  if (list.length === 0) return '[]';
  const items = list.map((item) => JSON.stringify(item));
  const isSpread = lineEnd !== '' && (old === undefined || /^\[\s*\]$/.test(old) || old.includes('\n'));
  if (!isSpread) return `[${items.join(colon === ':' ? ',' : ', ')}]`;
  return `[${lineEnd}${indent}${indent}${items.join(`,${lineEnd}${indent}${indent}`)}${lineEnd}${indent}]`;
}

/** The members of the outermost object; the text is known to be JSON, so only its structure is looked at. */
function membersOf(text: string): Member[] {
  const members: Member[] = [];
  const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;
  let depth = 0;
  let key: string | undefined;
  let valueStart: number | undefined;
  const end = (at: number) => {
    if (key !== undefined && valueStart !== undefined) {
      members.push({ key, valueStart, valueEnd: valueStart + text.slice(valueStart, at).trimEnd().length });
    }
    key = undefined;
    valueStart = undefined;
  };
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [found] = match;
    if (depth === 1 && found === '}') end(match.index);
    if (found === '{' || found === '[') depth += 1;
    else if (found === '}' || found === ']') depth -= 1;
    if (depth !== 1) continue;
    if (found === ',') end(match.index);
    else if (found.startsWith('"') && key === undefined) key = JSON.parse(found) as string;
    else if (found === ':') valueStart = afterBlank(text, token.lastIndex);
  }
  return members;
}

function afterBlank(text: string, from: number): number {
  let at = from;
  while (/\s/.test(text[at] ?? '')) at += 1;
  return at;
}
