import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countsOf, faultsOf, type SubjectResult } from './results.ts';
import { buildSuite, runSuite, suiteVersion } from './run-suite.ts';
import { officialSection, officialSectionOf } from './section.ts';
import { subjects } from './subjects.ts';

// `make test-conformance`: runs the official suite against Entrepot, says what failed, and compares its section of
// docs/conformance.md with what came of it; `--write` writes that anew.

const page = new URL('../../../docs/conformance.md', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'entrepot-official-'));
try {
  const program = buildSuite(folder);
  const results: SubjectResult[] = [];
  for (const subject of subjects) {
    const data = join(folder, `data-${results.length}`);
    mkdirSync(data);
    const run = await subject.during(data, (env) => runSuite(program, { env, into: folder }));
    console.log(`${subject.title}: ${countsOf(run.cases)} (${(run.tookMs / 1000).toFixed(1)} s)`);
    results.push({ subject, run });
  }
  const faults = results.flatMap(faultsOf);
  const before = readFileSync(page, 'utf8');
  const section = officialSection(suiteVersion(), results);
  const known = officialSectionOf(before);
  if (process.argv.includes('--write'))
    writeFileSync(
      page,
      before.replace(known, () => section),
    );
  else if (known !== section)
    faults.push('docs/conformance.md says something else: `make test-conformance WRITE=yes` writes it');
  for (const fault of faults) console.error(`FAILED: ${fault}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
