import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';

/** What is told of the sources by which the golden files were rendered. */
export function digestSources(root: URL): string {
  const hash = createHash('sha256');
  const files = globSync('deploy/{kubernetes,helm}/**/*.{yaml,tpl,json,txt,sh}', { cwd: root }).sort();
  for (const file of files) {
    // The dashboard is no part of the golden files, and has a test of its own.
    if (file.endsWith('/dashboard.json')) continue;
    const text = readFileSync(new URL(file, root), 'utf8');
    hash.update(`${file}\n${text.length}\n${text}`);
  }
  return `${hash.digest('hex')}\n`;
}
