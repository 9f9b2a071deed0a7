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
