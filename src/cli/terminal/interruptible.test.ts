import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { CommandFailure } from '../command-failure.ts';
import { interruptible } from './interruptible.ts';

test('a signal asks the work to end, and nobody listens to signals once it has', async () => {
  for (const name of ['SIGINT', 'SIGTERM']) {
    const source = new EventEmitter();
    let interruptions = 0;
    const work = async (signal: AbortSignal) => {
      await once(signal, 'abort');
      return signal.reason;
    };
    const working = interruptible(work, () => void interruptions++, source);
    source.emit(name);
    source.emit(name);
    assert.ok((await working) instanceof CommandFailure);
    assert.equal(interruptions, 1);
    assert.deepEqual(source.eventNames(), []);
  }
});

test('what the work fails with is told, and then nobody listens either', async () => {
  const source = new EventEmitter();
  await assert.rejects(
    interruptible(
      async () => {
        throw new Error('failed');
      },
      undefined,
      source,
    ),
    /failed/,
  );
  assert.deepEqual(source.eventNames(), []);
});
