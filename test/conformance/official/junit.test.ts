import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readJunit } from './junit.ts';

const named = (name: string) => `[It] OCI Distribution Conformance Tests ${name}`;
const suiteOf = (count: number, ...cases: string[]) =>
  `<?xml version="1.0"?>\n<testsuites tests="${count}" disabled="0"><testsuite name="x">${cases.join('\n')}</testsuite></testsuites>`;
const caseOf = (name: string, status: string, body = '') =>
  `<testcase name="${name}" classname="x" status="${status}" time="0.1">\n${body}<system-err>&gt; a</system-err></testcase>`;

test('junit.xml is read: names without what is before all of them, outcomes and messages', () => {
  const xml = suiteOf(
    4,
    caseOf(named('Pull A &amp; &#34;b&#x27;'), 'passed'),
    caseOf(named('Pull C'), 'skipped', '<skipped message="skipped - you have"></skipped>'),
    caseOf(named('Push D'), 'failed', '<failure message="Expected&#xA;    &lt;int&gt;: 400" type="failed">x</failure>'),
    caseOf('[ReportAfterSuite] html custom reporter', 'passed'),
  );
  assert.deepEqual(readJunit(xml), [
    { name: `Pull A & "b'`, outcome: 'passed', message: '' },
    { name: 'Pull C', outcome: 'skipped', message: 'skipped - you have' },
    { name: 'Push D', outcome: 'failed', message: 'Expected\n    <int>: 400' },
  ]);
});

test('what neither passed nor was skipped has failed, the report of the suite among it', () => {
  const xml = suiteOf(
    3,
    caseOf(named('Pull A'), 'timedout'),
    caseOf(named('Pull B'), 'panicked'),
    caseOf('[ReportAfterSuite] html', 'failed'),
  );
  assert.deepEqual(
    readJunit(xml).map(({ outcome }) => outcome),
    ['failed', 'failed', 'failed'],
  );
});

test('a junit.xml of which not every test is read is an error', () => {
  assert.throws(() => readJunit(suiteOf(2, caseOf(named('Pull A'), 'passed'))), /announces 2 tests, and 1 were read/);
  assert.throws(() => readJunit(''), /0 were read/);
});
