import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { tmpDir } from '../support/disk/tmp.ts';
import { officialSectionOf } from './official/section.ts';
import { conformancePage, runSuite } from './page.ts';
import { failuresOf } from './report.ts';

test('everything that the distribution spec asks of a registry holds, and docs/conformance.md says what was asked', async (t) => {
  const sections = await runSuite(await tmpDir(t));
  assert.deepEqual(failuresOf(sections), []);
  const page = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8');
  assert.equal(page, conformancePage(sections, officialSectionOf(page)), 'node test/conformance/main.ts writes it');
});
