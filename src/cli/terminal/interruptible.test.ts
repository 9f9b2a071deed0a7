import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { CommandFailure } from '../command-failure.ts';
import { interruptible } from './interruptible.ts';

test('a signal asks the work to end, and nobody listens to a second one', async () => {
  for (const name of ['SIGINT', 'SIGTERM']) {
    const source = new EventEmitter();
    let interruptions = 0;
    const work = async (signal: AbortSignal) => {
      await once(signal, 'abort');
      return signal.reason;
    };
    const interrupted = () => void interruptions++;
    const working = interruptible(work, { message: () => 'Stopped: all is kept', interrupted, source });
    source.emit(name);
    // From now on the process ends as if nobody listened: what puts in order may take long.
    assert.deepEqual(source.eventNames(), []);
    const reason: unknown = await working;
    assert.ok(reason instanceof CommandFailure);
    assert.deepEqual([reason.message, interruptions], ['Stopped: all is kept', 1]);
  }
});

test('what the work fails with is told, and then nobody listens either', async () => {
  const source = new EventEmitter();
  await assert.rejects(
    interruptible(
      async () => {
        throw new Error('failed');
      },
      { source },
    ),
    /failed/,
  );
  assert.deepEqual(source.eventNames(), []);
});
