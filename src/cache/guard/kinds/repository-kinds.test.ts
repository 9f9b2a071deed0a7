import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLog } from '../../../../test/support/event-log.ts';
import { ManualClock } from '../../../../test/support/time/clock.ts';
import type { RepositoryKey, RepositoryKind } from '../../../index/metadata-index.ts';
import { RegistryError } from '../../../oci/errors.ts';
import type { Repository } from '../../../oci/reference.ts';
import { RepositoryKinds } from './repository-kinds.ts';

const repository = 'lib/app' as Repository;
const refusal = new RegistryError('DENIED', 'no');

function setUp(noted: Record<string, RepositoryKind> = {}) {
  const clock = new ManualClock();
  const state = { noted, fails: false, reads: 0 };
  const orFail = () => {
    if (state.fails) throw new Error('disk full');
  };
  const index = {
    async getKind({ repository: name }: RepositoryKey) {
      state.reads++;
      orFail();
      return state.noted[name];
    },
    async putKind({ repository: name }: RepositoryKey, kind: RepositoryKind, { ifKnown } = { ifKnown: false }) {
      orFail();
      if (!ifKnown || name in state.noted) state.noted[name] = kind;
    },
  };
  const kinds = new RepositoryKinds({ registry: 'origin.test', index, clock, log: new EventLog(), refusalMs: 10_000 });
  return { clock, kinds, state };
}

test('what is noted is learnt once, and what nobody knows is neither', async () => {
  const { kinds, state } = setUp({ [repository]: 'open', 'lib/secret': 'guarded' });
  assert.equal(kinds.isOpen(repository), false);
  assert.equal(await kinds.learn(repository), 'open');
  assert.equal(await kinds.learn(repository), 'open');
  assert.deepEqual([kinds.isOpen(repository), state.reads], [true, 1]);
  assert.equal(await kinds.learn('lib/secret' as Repository), 'guarded');
  assert.equal(kinds.isDue('lib/secret' as Repository), true);
  assert.equal(await kinds.learn('lib/new' as Repository), undefined);
  assert.deepEqual([kinds.isOpen('lib/new' as Repository), kinds.isGuarded('lib/new' as Repository)], [false, false]);
});

test('while the index cannot say, a repository is guarded, and that is not remembered', async () => {
  const { kinds, state } = setUp({ [repository]: 'open' });
  state.fails = true;
  assert.equal(await kinds.learn(repository), 'guarded');
  state.fails = false;
  assert.equal(await kinds.learn(repository), 'open');
});

test('upstream’s last word counts and is noted; of names that nobody knows, a refusal is not', async () => {
  const { clock, kinds, state } = setUp({});
  await kinds.seenRefused(repository, refusal);
  assert.deepEqual([kinds.isGuarded(repository), kinds.isDue(repository), state.noted], [true, false, {}]);
  assert.equal(kinds.refusalOf(repository), refusal);
  clock.advance(10_000);
  assert.equal(kinds.isDue(repository), true);
  kinds.seenNeither(repository);
  assert.equal(kinds.isDue(repository), false);
  await kinds.seenOpen(repository, kinds.moment());
  assert.deepEqual([kinds.isOpen(repository), state.noted], [true, { [repository]: 'open' }]);
  await kinds.seenRefused(repository, refusal);
  assert.deepEqual([kinds.isOpen(repository), state.noted], [false, { [repository]: 'guarded' }]);
});

test('an answer that was asked for before a refusal does not make a repository open', async () => {
  const { kinds } = setUp();
  const before = kinds.moment();
  await kinds.seenRefused(repository, refusal);
  await kinds.seenOpen(repository, before);
  assert.equal(kinds.isGuarded(repository), true);
});

test('what cannot be noted as guarded may not be kept, until it can', async () => {
  const { kinds, state } = setUp();
  await kinds.seenRefused(repository, refusal);
  state.fails = true;
  assert.equal(await kinds.keepGuarded(repository), false);
  state.fails = false;
  assert.equal(await kinds.keepGuarded(repository), true);
  assert.deepEqual(state.noted, { [repository]: 'guarded' });
});

test('what another process may have noted is learnt again, but for what is guarded already', async () => {
  const { kinds, state } = setUp({ [repository]: 'open' });
  await kinds.learn(repository);
  await kinds.seenRefused('lib/secret' as Repository, refusal);
  state.noted[repository] = 'guarded';
  kinds.forgetOpen();
  assert.equal(await kinds.learn(repository), 'guarded');
  assert.equal(kinds.isDue('lib/secret' as Repository), false);
});
