import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inLanes } from './lanes.ts';

/** Gives numbers, and says whether it was closed. */
function numbersTo(count: number) {
  const state = { closed: false, given: 0 };
  async function* numbers() {
    try {
      for (let next = 1; next <= count; next++) {
        state.given = next;
        yield next;
      }
    } finally {
      state.closed = true;
    }
  }
  return { numbers: numbers(), state };
}

test('every item has its turn once, and no lane two at a time', async () => {
  const done: number[] = [];
  const busy = new Set<string>();
  let most = 0;
  await inLanes(numbersTo(50).numbers, ['a', 'b', 'c'], async (item, lane) => {
    assert(!busy.has(lane));
    busy.add(lane);
    most = Math.max(most, busy.size);
    await new Promise(setImmediate);
    busy.delete(lane);
    done.push(item);
  });
  assert.deepEqual(
    done.sort((a, b) => a - b),
    numbersFrom1(50),
  );
  assert.equal(most, 3);
});

test('the first failure is thrown when every lane has ended, and no item is begun after it', async () => {
  const { numbers, state } = numbersTo(50);
  const begun: number[] = [];
  let ended = 0;
  const work = async (item: number) => {
    begun.push(item);
    if (item === 2) throw new Error('the second failed');
    await new Promise(setImmediate);
    ended++;
  };
  await assert.rejects(inLanes(numbers, ['a', 'b'], work), { message: 'the second failed' });
  assert.equal(ended, begun.length - 1);
  assert.ok(begun.length < 5, `${begun.length} were begun`);
  assert.ok(state.closed);
});

function numbersFrom1(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}
