import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideGuard, type GuardDecision, type GuardQuestion } from './decide.ts';

const kinds = ['open', 'guarded', undefined] as const;
const booleans = [false, true];

/** Every question there is. */
function* questions(): Generator<GuardQuestion> {
  for (const mode of ['auto', 'always'] as const)
    for (const kind of kinds)
      for (const isProven of booleans)
        for (const wasProven of booleans)
          for (const isDue of booleans) yield { mode, kind, isProven, wasProven, isDue };
}

function decisionsWhere(matches: (question: GuardQuestion) => boolean): Set<GuardDecision> {
  return new Set([...questions()].filter(matches).map(decideGuard));
}

test('what is open, or of no known kind, is open to all, but where each client needs its own credentials', () => {
  assert.deepEqual(
    decisionsWhere(({ mode, kind }) => mode === 'auto' && kind !== 'guarded'),
    new Set(['open']),
  );
  assert.ok(!decisionsWhere(({ mode }) => mode === 'always').has('open'));
});

test('what is guarded is given to whom it was proven for, and to nobody else', () => {
  const isGuarded = ({ mode, kind }: GuardQuestion) => mode === 'always' || kind === 'guarded';
  const proven = decisionsWhere((question) => isGuarded(question) && question.isProven);
  const unproven = decisionsWhere((question) => isGuarded(question) && !question.isProven);
  assert.deepEqual(proven, new Set(['guarded']));
  assert.deepEqual(unproven, new Set(['ask', 'prove']));
});

test('our own identity asks again when it is time, and not for those whose credentials counted before', () => {
  const unproven = { mode: 'auto', kind: 'guarded', isProven: false, wasProven: false, isDue: true } as const;
  assert.equal(decideGuard(unproven), 'ask');
  assert.equal(decideGuard({ ...unproven, isDue: false }), 'prove');
  assert.equal(decideGuard({ ...unproven, wasProven: true }), 'prove');
  assert.equal(decideGuard({ ...unproven, mode: 'always' }), 'prove');
});
