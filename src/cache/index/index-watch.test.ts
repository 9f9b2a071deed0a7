import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchIndex } from './index-watch.ts';

test('it is asked once a second whether another process changed the index, until that ends', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const answers = [false, true, 'failure', true] as const;
  let asked = 0;
  let changes = 0;
  const index = {
    async changedElsewhere() {
      const answer = answers[asked++];
      if (answer === 'failure') throw new Error('the disk');
      return answer === true;
    },
  };
  const stop = watchIndex(index, () => changes++);
  const seen: number[] = [];
  for (let second = 0; second < answers.length; second++) {
    t.mock.timers.tick(1000);
    await Promise.resolve();
    await Promise.resolve();
    seen.push(changes);
  }
  assert.deepEqual(seen, [0, 1, 1, 2]);
  stop();
  t.mock.timers.tick(10_000);
  assert.equal(asked, answers.length);
});
