import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { showArchiveProgress } from './archive-progress.ts';

function setUp(isWatched: boolean) {
  const clock = new ManualClock();
  const said: string[] = [];
  const lines: string[] = [];
  const terminal = { env: {}, isWatched, writeOut() {}, writeError: (text: string) => void said.push(text) };
  const progress = showArchiveProgress(terminal, 4_000_000, (line) => lines.push(line), clock);
  const tick = async () => {
    const { delayMs } = await clock.nextSleep();
    clock.advance(delayMs);
    await new Promise((resolve) => setImmediate(resolve));
    return delayMs;
  };
  return { progress, said, lines, clock, tick };
}

test('on a terminal there is one line, written anew', async () => {
  const { progress, said, lines, clock, tick } = setUp(true);
  progress.add(1_000_000);
  assert.equal(await tick(), 200);
  const clear = '\r\x1b[K';
  const [line = ''] = said;
  assert.ok(line.startsWith(clear));
  assert.match(line.slice(clear.length), /^\[######-+\] 1 MB of 4 MB$/);
  progress.say('Imported one');
  progress.end();
  assert.deepEqual([said.slice(1), lines, clock.sleeping], [[clear, clear], ['Imported one'], 0]);
});

test('elsewhere there is a line now and then', async () => {
  const { progress, said, tick } = setUp(false);
  progress.add(2_000_000);
  assert.equal(await tick(), 10_000);
  progress.end();
  assert.match(said.join(''), /^\[############-+\] 2 MB of 4 MB, .*\n$/);
});
