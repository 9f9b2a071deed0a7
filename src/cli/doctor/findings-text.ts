import type { Finding } from '../../setup/doctor/clients/client-setup.ts';
import { plainText } from '../terminal/terminal.ts';

/** What was found out, for people: by what it is about, each with what to do. */
export function findingsText(findings: readonly Finding[]): string {
  const about = Map.groupBy(findings, (finding) => finding.about);
  const parts = [...about].map(([name, list]) => `${name}\n${list.map(lines).join('')}`);
  return parts.join('\n');
}

function lines({ level, text, remedy }: Finding): string {
  const todo = remedy === undefined || level === 'ok' ? '' : `        ${remedy}\n`;
  // What a cache or a client has said must command no terminal.
  return `  ${level.padEnd(4)}  ${plainText(text)}\n${todo}`;
}
