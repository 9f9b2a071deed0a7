import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryRegistry } from '../../../test/support/memory/memory-registry.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import { askAsVisitors, Visitors } from './visitors.ts';

const repository = 'lib/app' as Repository;
const patient = new AbortController().signal;

/** An upstream that lists tags for some, and fails for others. */
function setUp(answers: Readonly<Record<string, RegistryError>> = {}) {
  const visitors = new Visitors();
  const asked: (string | undefined)[] = [];
  const refused: (string | undefined)[] = [];
  const upstream = {
    as(authorization: string | undefined) {
      asked.push(authorization);
      const registry = new MemoryRegistry();
      const error = answers[authorization ?? ''];
      if (error) registry.listTags = async () => Promise.reject(error);
      else registry.listTags = async () => ({ tags: [String(authorization)] });
      return registry;
    },
  };
  const registry = askAsVisitors('origin.test', upstream, visitors, (_, authorization) => refused.push(authorization));
  const ask = async () => (await registry.listTags(repository, {}, patient)).tags;
  return { visitors, asked, refused, ask };
}

const denied = new RegistryError('DENIED', 'no');

test('upstream is asked as who came last, and as nobody who has gone', async () => {
  const { visitors, ask } = setUp();
  const leave = ['a', 'b', 'a'].map((name) => visitors.enter(repository, name));
  assert.deepEqual(await ask(), ['a']);
  leave[2]!();
  leave[2]!(); // once more is no harm
  assert.deepEqual(visitors.authorizations(repository), ['a', 'b']);
  leave[0]!();
  assert.deepEqual(await ask(), ['b']);
  leave[1]!();
  await assert.rejects(ask(), { code: 'DENIED', message: /nobody whose credentials it accepted/ });
  assert.deepEqual(visitors.authorizations('lib/other' as Repository), []);
});

test('upstream is asked as the next when it refuses one, which is told', async () => {
  const { visitors, asked, refused, ask } = setUp({ b: denied, c: denied });
  for (const name of ['a', 'b', 'c']) visitors.enter(repository, name);
  assert.deepEqual(await ask(), ['a']);
  assert.deepEqual(
    [asked, refused],
    [
      ['c', 'b', 'a'],
      ['c', 'b'],
    ],
  );
});

test('when it refuses all, its last refusal is told', async () => {
  const { visitors, asked, ask } = setUp({ a: new RegistryError('UNAUTHORIZED', 'login'), b: denied });
  for (const name of ['a', 'b']) visitors.enter(repository, name);
  await assert.rejects(ask(), { code: 'UNAUTHORIZED', message: 'login' });
  assert.deepEqual(asked, ['b', 'a']);
});

test('what is no refusal of the registry’s is told at once', async () => {
  for (const error of [
    new RegistryError('UNAVAILABLE', 'away'),
    new RegistryError('NAME_UNKNOWN', 'none'),
    new RegistryError('DENIED', 'by another server', { fromElsewhere: true }),
  ]) {
    const { visitors, asked, refused, ask } = setUp({ b: error });
    for (const name of ['a', 'b']) visitors.enter(repository, name);
    await assert.rejects(ask(), error);
    assert.deepEqual([asked, refused], [['b'], []]);
  }
});

test('who has no credentials is asked for without', async () => {
  const { visitors, asked, ask } = setUp();
  visitors.enter(repository, undefined);
  await ask();
  assert.deepEqual(asked, [undefined]);
});
