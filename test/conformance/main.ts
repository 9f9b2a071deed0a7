import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { officialSectionOf } from './official/section.ts';
import { conformancePage, runSuite } from './page.ts';
import { failuresOf } from './report.ts';

// `node test/conformance/main.ts`: runs the suite, says what failed, and writes docs/conformance.md.

const data = await mkdtemp(join(tmpdir(), 'entrepot-conformance-'));
try {
  const sections = await runSuite(data);
  const failures = failuresOf(sections);
  for (const failure of failures) console.error(failure);
  const page = new URL('../../docs/conformance.md', import.meta.url);
  const official = officialSectionOf(await readFile(page, 'utf8'));
  await writeFile(page, conformancePage(sections, official));
  process.exitCode = failures.length === 0 ? 0 : 1;
} finally {
  await rm(data, { recursive: true, force: true });
}
