import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { SharedLocks } from './shared-locks.ts';

const never = new AbortController().signal;

/** Holds locks until it is told to let go, and tells what it does. */
function holder(locks: SharedLocks, told: string[]) {
  return (name: string, shared: boolean, signal: AbortSignal = never) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = locks.run([{ name: 'lock', shared }], signal, async () => {
      told.push(name);
      await promise;
    });
    return { letGo: resolve, done };
  };
}

test('several share a lock, one alone waits for them, and those who come later wait behind it', async () => {
  const told: string[] = [];
  const hold = holder(new SharedLocks(), told);
  const first = hold('shared 1', true);
  const second = hold('shared 2', true);
  const alone = hold('alone', false);
  const late = hold('shared 3', true);
  await setImmediate();
  assert.deepEqual(told, ['shared 1', 'shared 2']);
  first.letGo();
  await first.done;
  assert.deepEqual(told, ['shared 1', 'shared 2']);
  second.letGo();
  await second.done;
  await setImmediate();
  assert.deepEqual(told, ['shared 1', 'shared 2', 'alone']);
  alone.letGo();
  await alone.done;
  await setImmediate();
  assert.deepEqual(told.at(-1), 'shared 3');
  late.letGo();
  await late.done;
});

test('who leaves while waiting lets those behind go on, and what it waited for is not held by it', async () => {
  const told: string[] = [];
  const hold = holder(new SharedLocks(), told);
  const first = hold('shared 1', true);
  const leaver = new AbortController();
  const alone = hold('alone', false, leaver.signal);
  const behind = hold('shared 2', true);
  leaver.abort(new Error('gone'));
  await assert.rejects(alone.done, /gone/);
  await setImmediate();
  assert.deepEqual(told, ['shared 1', 'shared 2']);
  first.letGo();
  behind.letGo();
  await Promise.all([first.done, behind.done]);
  const last = hold('alone again', false);
  await setImmediate();
  assert.equal(told.at(-1), 'alone again');
  last.letGo();
  await last.done;
});

test('two that want the same locks in another order do not wait for each other', async () => {
  const locks = new SharedLocks();
  const [a, b] = [
    { name: 'a', shared: false },
    { name: 'b', shared: false },
  ];
  const work = async () => void (await setImmediate());
  await Promise.all([locks.run([a, b], never, work), locks.run([b, a], never, work)]);
});

test('a lock is let go when the work fails', async () => {
  const locks = new SharedLocks();
  const alone = [{ name: 'lock', shared: false }];
  await assert.rejects(
    locks.run(alone, never, () => Promise.reject(new Error('failed'))),
    /failed/,
  );
  assert.equal(await locks.run(alone, never, async () => 'held'), 'held');
});
