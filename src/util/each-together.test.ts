import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { eachTogether } from './each-together.ts';

async function* numbers(count: number, taken: { count: number } = { count: 0 }) {
  for (let number = 0; number < count; number++) {
    taken.count++;
    yield number;
  }
}

test('each item has its turn, as many at a time as may, and no more are taken', async () => {
  for (const maxCount of [1, 4, 100]) {
    const taken = { count: 0 };
    const done: number[] = [];
    let atOnce = 0;
    let most = 0;
    await eachTogether(numbers(20, taken), maxCount, async (number) => {
      most = Math.max(most, ++atOnce);
      assert.ok(taken.count <= done.length + maxCount, `${taken.count} taken, ${done.length} done`);
      await setImmediate();
      atOnce--;
      done.push(number);
    });
    assert.deepEqual([done.length, new Set(done).size, most], [20, 20, Math.min(maxCount, 20)]);
  }
});

test('the first failure ends it when what was begun is over', async () => {
  const taken = { count: 0 };
  let over = 0;
  const failing = eachTogether(numbers(100, taken), 4, async (number) => {
    if (number === 2) throw new Error('no');
    await setImmediate();
    over++;
  });
  await assert.rejects(failing, /^Error: no$/);
  assert.ok(taken.count <= 6 && over === taken.count - 1, `${taken.count} taken, ${over} over`);
});
