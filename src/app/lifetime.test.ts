import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endLifetime, openWithin } from './lifetime.ts';

test('what was opened before something failed is stopped, the last first; what is whole is left open', async () => {
  const stopped: string[] = [];
  const failure = new Error('the third cannot be opened');
  const open = (fails: boolean) =>
    openWithin(async (lifetime) => {
      lifetime.push(async () => void stopped.push('first'));
      lifetime.push(() => void stopped.push('second'));
      if (fails) throw failure;
      return { close: () => endLifetime(lifetime) };
    });
  await assert.rejects(open(true), (error) => error === failure);
  assert.deepEqual(stopped.splice(0), ['second', 'first']);
  const opened = await open(false);
  assert.deepEqual(stopped, []);
  await opened.close();
  assert.deepEqual(stopped, ['second', 'first']);
});

// The store's lock was left behind when the log could not be flushed.
test('what cannot be stopped keeps nothing else from being stopped, and is told', async () => {
  const stopped: string[] = [];
  const failures = [new Error('the log is full'), new Error('the disk has gone')];
  const lifetimeOf = (...failing: Error[]) => [
    () => void stopped.push('first'),
    ...failing.map((failure) => async () => Promise.reject(failure)),
    () => void stopped.push('last'),
  ];
  const [one] = failures;
  await assert.rejects(endLifetime(lifetimeOf(one!)), (error) => error === one);
  assert.deepEqual(stopped.splice(0), ['last', 'first']);
  await assert.rejects(endLifetime(lifetimeOf(...failures)), { errors: failures.toReversed() });
  assert.deepEqual(stopped.splice(0), ['last', 'first']);
});

test('what kept it from opening is told before what could not be stopped then', async () => {
  const [failure, late] = [new Error('the address is taken'), new Error('the disk has gone')];
  const opening = openWithin(async (lifetime) => {
    lifetime.push(() => Promise.reject(late));
    throw failure;
  });
  await assert.rejects(opening, { errors: [failure, late], message: 'the address is taken; the disk has gone' });
});
