import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { type TagAttempt, TagHistory } from './tag-history.ts';

const [first, second, third] = ['first', 'second', 'third'].map((text) => digestOf(Buffer.from(text)));

function acknowledge(attempt: TagAttempt, now: number): void {
  Object.assign(attempt, { isAcknowledged: true, endedAt: now });
}

function allowed(history: TagHistory, time: number): (string | undefined)[] {
  return [...history.allowedSince(time)];
}

test('a tag that nobody pushed stands for nothing, and then for what was acknowledged last', () => {
  const history = new TagHistory();
  assert.deepEqual(allowed(history, 1), [undefined]);
  acknowledge(history.begin(first, 1), 2);
  assert.deepEqual(allowed(history, 2), [first]);
  acknowledge(history.begin(second, 3), 4);
  assert.deepEqual(allowed(history, 4), [second]);
  acknowledge(history.begin(undefined, 5), 6);
  assert.deepEqual(allowed(history, 6), [undefined]);
});

test('what is under way may be there already, or not yet', () => {
  const history = new TagHistory();
  acknowledge(history.begin(first, 1), 2);
  history.begin(second, 3);
  assert.deepEqual(allowed(history, 3), [first, second]);
});

test('of two at once either may stand, until a later one is acknowledged', () => {
  const history = new TagHistory();
  const attempts = [history.begin(first, 1), history.begin(second, 2)];
  acknowledge(attempts[1]!, 3);
  acknowledge(attempts[0]!, 4);
  assert.deepEqual(allowed(history, 4), [first, second]);
  acknowledge(history.begin(third, 5), 6);
  assert.deepEqual(allowed(history, 6), [third]);
});

test('what was given up may come as long as its process lives, and is over with the next that is acknowledged after', () => {
  const history = new TagHistory();
  history.begin(first, 1).isGivenUp = true;
  acknowledge(history.begin(second, 2), 3);
  assert.deepEqual(allowed(history, 3), [first, second]);
  history.processEnded(4);
  assert.deepEqual(allowed(history, 4), [first, second]);
  acknowledge(history.begin(third, 5), 6);
  assert.deepEqual(allowed(history, 6), [third]);
});

test('who asked before something was acknowledged may be told what was there before', () => {
  const history = new TagHistory();
  acknowledge(history.begin(first, 1), 2);
  acknowledge(history.begin(second, 3), 5);
  assert.deepEqual(allowed(history, 4), [first, second]);
});
