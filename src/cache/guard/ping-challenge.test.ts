import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/clock.ts';
import { rememberChallenge } from './ping-challenge.ts';

const never = new AbortController().signal;

test('what an upstream wants is asked once for all who come within seconds, and then again', async () => {
  const clock = new ManualClock();
  let asked = 0;
  const challenge = rememberChallenge(async () => `Bearer realm="https://a.test/${++asked}"`, clock);
  const first = 'Bearer realm="https://a.test/1"';
  assert.deepEqual(await Promise.all([challenge(never), challenge(never)]), [first, first]);
  clock.advance(9_999);
  assert.equal(await challenge(never), first);
  clock.advance(1);
  assert.equal(await challenge(never), 'Bearer realm="https://a.test/2"');
});

test('an upstream that cannot be asked any more sends nobody away to log in', async () => {
  const clock = new ManualClock();
  let isThere = true;
  const challenge = rememberChallenge(async () => {
    if (!isThere) throw new Error('no way there');
    return 'Basic realm="a"';
  }, clock);
  assert.equal(await challenge(never), 'Basic realm="a"');
  isThere = false;
  clock.advance(10_000);
  assert.equal(await challenge(never), undefined);
  isThere = true;
  clock.advance(10_000);
  assert.equal(await challenge(never), 'Basic realm="a"');
});

test('who leaves gets the reason, and nothing is remembered of it', async () => {
  const held = Promise.withResolvers<string>();
  let answer = held.promise;
  const challenge = rememberChallenge(() => answer, new ManualClock());
  const gone = new AbortController();
  const asked = challenge(gone.signal);
  gone.abort(new Error('gone'));
  await assert.rejects(asked, { message: 'gone' });
  answer = Promise.resolve('Basic');
  assert.equal(await challenge(never), 'Basic');
  held.resolve('Bearer');
});
