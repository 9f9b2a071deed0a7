import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { rememberChallenge } from './ping-challenge.ts';

const never = new AbortController().signal;
const second = 1_000;
const minute = 60 * second;

/** What an upstream wants, as long as it is there. */
function setUp(isAnsweredHere = true) {
  const clock = new ManualClock();
  const upstream = { challenge: 'Bearer 1' as string | undefined, isThere: true, asked: 0 };
  const ask = async () => {
    upstream.asked++;
    if (!upstream.isThere) throw new Error('no way there');
    return upstream.challenge;
  };
  return { clock, upstream, challenge: rememberChallenge({ ask, isAnsweredHere: () => isAnsweredHere, clock }) };
}

test('what an upstream wants is asked once for all who come within minutes', async () => {
  const { clock, upstream, challenge } = setUp();
  assert.deepEqual(await Promise.all([challenge(never), challenge(never)]), ['Bearer 1', 'Bearer 1']);
  clock.advance(10 * minute - 1);
  assert.equal(await challenge(never), 'Bearer 1');
  assert.equal(upstream.asked, 1);
});

test('after that it is asked behind the answer', async () => {
  for (const [before, after] of [
    ['Bearer 1', 'Bearer 2'],
    ['Bearer 1', undefined],
    [undefined, 'Bearer 1'],
  ]) {
    const { clock, upstream, challenge } = setUp();
    upstream.challenge = before;
    await challenge(never);
    upstream.challenge = after;
    clock.advance(10 * minute);
    assert.equal(await challenge(never), before);
    await setImmediate();
    assert.equal(await challenge(never), after);
    assert.equal(upstream.asked, 2);
  }
});

test('what an upstream wanted that cannot be asked any more holds, where clients need not reach it for that', async () => {
  const { clock, upstream, challenge } = setUp();
  await challenge(never);
  upstream.isThere = false;
  for (const _hour of [1, 2, 3]) {
    clock.advance(60 * minute);
    assert.equal(await challenge(never), 'Bearer 1');
    await setImmediate();
  }
  assert.equal(upstream.asked, 4);
});

test('an upstream that cannot be asked any more sends nobody to itself to log in', async () => {
  const { clock, upstream, challenge } = setUp(false);
  assert.equal(await challenge(never), 'Bearer 1');
  upstream.isThere = false;
  clock.advance(10 * second);
  assert.equal(await challenge(never), undefined);
  upstream.isThere = true;
  clock.advance(10 * second);
  assert.equal(await challenge(never), 'Bearer 1');
});

test('an upstream that could not be asked wants nothing, and is asked again after seconds', async () => {
  const { clock, upstream, challenge } = setUp();
  upstream.isThere = false;
  assert.equal(await challenge(never), undefined);
  upstream.isThere = true;
  clock.advance(10 * second - 1);
  assert.equal(await challenge(never), undefined);
  assert.equal(upstream.asked, 1);
  clock.advance(1);
  assert.equal(await challenge(never), 'Bearer 1');
});

test('who leaves gets the reason, and nothing is remembered of it', async () => {
  const held = Promise.withResolvers<string>();
  let answer = held.promise;
  const clock = new ManualClock();
  const challenge = rememberChallenge({ ask: () => answer, isAnsweredHere: () => true, clock });
  const gone = new AbortController();
  const asked = challenge(gone.signal);
  gone.abort(new Error('gone'));
  await assert.rejects(asked, { message: 'gone' });
  answer = Promise.resolve('Basic');
  assert.equal(await challenge(never), 'Basic');
  held.resolve('Bearer');
});
