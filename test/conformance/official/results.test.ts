import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countsOf, faultsOf } from './results.ts';

const skips = { 'Push ': 'it is only read' };
const passed = { name: 'Pull A', outcome: 'passed', message: '' } as const;
const pushed = { name: 'Push B', outcome: 'skipped', message: 'skipped' } as const;

function faults(...[cases, warnings = []]: [cases: Parameters<typeof countsOf>[0], warnings?: string[]]): string[] {
  return faultsOf({ subject: { title: 'It', skips }, run: { cases, warnings, tookMs: 0 } });
}

test('what passed, and what is skipped for a reason, is in order', () => {
  assert.deepEqual(faults([passed, pushed]), []);
  assert.equal(countsOf([passed, pushed]), '1 passed, 0 failed, 1 skipped');
});

test('a failure, a warning, and what is skipped for no reason are faults', () => {
  const failed = { ...passed, outcome: 'failed', message: 'Expected 404' } as const;
  assert.deepEqual(faults([failed, pushed]), ['It: Pull A: Expected 404']);
  assert.deepEqual(faults([passed, pushed], ['no filter']), ['It: the suite warns: no filter']);
  assert.deepEqual(faults([{ ...passed, outcome: 'skipped' }, pushed]), ['It: Pull A: skipped']);
});

test('a reason that nothing is skipped for is a fault: it has grown old', () => {
  assert.deepEqual(faults([passed, { ...pushed, outcome: 'passed' }]), ['It: Push : not skipped']);
});
