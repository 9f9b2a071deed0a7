import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { stampFiles, watchStamp } from './watched-stamp.ts';

/** Watches a text that the test says. */
async function watch(t: TestContext) {
  const clock = new ManualClock();
  const state = { text: 'a', changes: 0 };
  const stopping = new AbortController();
  const watching = watchStamp(
    {
      stamp: async () => state.text,
      known: 'a',
      changed: async () => {
        state.changes++;
      },
      clock,
    },
    stopping.signal,
  );
  t.after(async () => {
    stopping.abort();
    await watching;
  });
  await clock.nextSleep();
  const look = async (text: string) => {
    state.text = text;
    clock.advance(2_000);
    await clock.nextSleep();
    return state.changes;
  };
  return look;
}

test('a change is told of once, when it has stood for one more look', async (t) => {
  const look = await watch(t);
  assert.deepEqual([await look('a'), await look('b'), await look('b'), await look('b')], [0, 0, 1, 1]);
});

test('what goes on changing is told of when it stands still, and what is as before not at all', async (t) => {
  const look = await watch(t);
  assert.deepEqual([await look('b'), await look('c'), await look('a'), await look('a')], [0, 0, 0, 0]);
  assert.deepEqual([await look('b'), await look('c'), await look('c')], [0, 0, 1]);
});

test('the stamp of files is another when one is written, removed or there at last', async (t) => {
  const folder = tmpDir(t);
  const paths = ['a', 'b'].map((name) => join(folder, name));
  const stamps = [await stampFiles(paths)];
  const noteAfter = async (change: () => void) => {
    change();
    stamps.push(await stampFiles(paths));
  };
  await noteAfter(() => writeFileSync(paths[0]!, 'x'));
  await noteAfter(() => writeFileSync(paths[1]!, 'x'));
  await noteAfter(() => writeFileSync(paths[1]!, 'xy'));
  await noteAfter(() => rmSync(paths[0]!));
  assert.equal(new Set(stamps).size, stamps.length);
  assert.equal(await stampFiles(paths), stamps.at(-1));
});
