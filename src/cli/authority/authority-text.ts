import type { AuthorityOverview, ShownAuthority } from '../../authorities.ts';

const width = 110; // a list of hosts goes on in a line of its own beyond
const indent = '              ';

/** What is told of one authority. */
export function authorityLines(
  authority: ShownAuthority,
  { configured }: Pick<AuthorityOverview, 'configured'>,
  nowMs: number,
): string[] {
  const { subject, sha256, path, notBeforeMs, notAfterMs, hosts, signs, signsUntilMs } = authority;
  const isOver = nowMs >= notAfterMs;
  const until = signsUntilMs < notAfterMs ? [`${indent}until ${day(signsUntilMs)}, then the newer one does`] : [];
  const signed = signs.length === configured.length ? [`every configured host`] : signs;
  return [
    subject,
    `  Valid:      from ${day(notBeforeMs)} to ${day(notAfterMs)}${isOver ? ', which is over' : ''}`,
    `  SHA-256:    ${sha256}`,
    `  File:       ${path}`,
    ...labelled('  May sign:   ', hosts === undefined ? ['every host'] : hosts),
    ...labelled('  Signs now:  ', signs.length === 0 ? ['nothing'] : signed),
    ...(signs.length > 0 ? until : []),
  ];
}

/** What is told of a renewal: what was made, what goes on, and what is to be done. */
export function renewalLines({ authorities }: AuthorityOverview): string[] {
  const [made, ...before] = authorities;
  if (made === undefined) return [];
  const { subject, sha256, path, notAfterMs, hosts, signs } = made;
  const going = before.filter((older) => older.signs.length > 0);
  const untilMs = Math.max(...going.map(({ signsUntilMs, notAfterMs }) => Math.min(signsUntilMs, notAfterMs)));
  const lines = [
    `Made ${subject}, valid to ${day(notAfterMs)}`,
    `  SHA-256:    ${sha256}`,
    `  File:       ${path}`,
    ...labelled('  May sign:   ', hosts === undefined ? ['every host'] : hosts),
    '',
    'A server that is running takes it within seconds.',
  ];
  if (going.length === 0) return [...lines, 'Then clients have to trust it: see docs/proxy.md.'];
  return [
    ...lines,
    ...going.flatMap((older) => [
      `${older.subject} signs on until ${day(older.signsUntilMs)}, for ${older.signs.length} of the hosts.`,
    ]),
    ...(signs.length > 0 ? ['The new one signs at once, as none before may, for:', ...labelled('  ', signs)] : []),
    `Clients have to trust the new one by ${day(untilMs)}: run /setup/proxy.sh there again, or install what`,
    '`entrepot ca show --pem` prints (docs/proxy.md).',
  ];
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Words after a label, in lines that fit. */
function labelled(label: string, words: readonly string[]): string[] {
  const lines: string[] = [];
  let line = label;
  for (const [at, word] of words.entries()) {
    const text = at < words.length - 1 ? `${word}, ` : word;
    if (line.length + text.length > width && line.trim() !== '') {
      lines.push(line.trimEnd());
      line = ' '.repeat(label.length);
    }
    line += text;
  }
  return [...lines, line.trimEnd()];
}
