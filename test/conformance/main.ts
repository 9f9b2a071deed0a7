import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conformancePage, runSuite } from './page.ts';
import { failuresOf } from './report.ts';

// `node test/conformance/main.ts`: runs the suite, says what failed, and writes docs/conformance.md.

const data = await mkdtemp(join(tmpdir(), 'entrepot-conformance-'));
try {
  const sections = await runSuite(data);
  const failures = failuresOf(sections);
  for (const failure of failures) console.error(failure);
  await writeFile(new URL('../../docs/conformance.md', import.meta.url), conformancePage(sections));
  process.exitCode = failures.length === 0 ? 0 : 1;
} finally {
  await rm(data, { recursive: true, force: true });
}
