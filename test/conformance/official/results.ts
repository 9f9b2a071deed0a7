import type { CaseOutcome, SuiteCase } from './junit.ts';
import type { SuiteRun } from './run-suite.ts';
import type { Skips, Subject } from './subjects.ts';

/** What came of the suite with one subject. */
export interface SubjectResult {
  readonly subject: Pick<Subject, 'title' | 'skips'>;
  readonly run: SuiteRun;
}

/** What is wrong with a result: tests that failed, warnings, and what is skipped without a reason, or has one and is not. */
export function faultsOf({ subject: { title, skips }, run }: SubjectResult): string[] {
  const skipped = run.cases.filter(({ outcome }) => outcome === 'skipped');
  const said = [
    ...run.cases.filter(({ outcome }) => outcome === 'failed').map(({ name, message }) => `${name}: ${message}`),
    ...run.warnings.map((warning) => `the suite warns: ${warning}`),
    ...skipped.filter(({ name }) => reasonOf(skips, name) === undefined).map(({ name }) => `${name}: skipped`),
    ...Object.keys(skips)
      .filter((beginning) => !skipped.some(({ name }) => name.startsWith(beginning)))
      .map((beginning) => `${beginning}: not skipped`),
  ];
  return said.map((fault) => `${title}: ${fault}`);
}

/** How many tests ended how, in one line. */
export function countsOf(cases: readonly SuiteCase[]): string {
  const count = (wanted: CaseOutcome) => cases.filter(({ outcome }) => outcome === wanted).length;
  return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`;
}

/** Why a test is skipped; undefined when nothing says so. */
export function reasonOf(skips: Skips, name: string): string | undefined {
  return Object.entries(skips).find(([beginning]) => name.startsWith(beginning))?.[1];
}
