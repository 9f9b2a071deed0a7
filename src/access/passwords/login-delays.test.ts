import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { parseBasicLogin } from './basic-login.ts';
import { LoginDelays } from './login-delays.ts';

const patient = new AbortController().signal;

/** Delays with a clock that the test moves, and logins that say how long they were made to wait. */
function setUp() {
  const clock = new ManualClock();
  const delays = new LoginDelays(clock);
  /** Logs in, and gives how long that had to wait, in milliseconds; the clock moves on by as much. */
  async function login(user: string, address: string, outcome: 'failed' | 'succeeded'): Promise<number> {
    const beganMs = clock.now();
    const attempt = delays.begin(user, address, patient);
    await new Promise(setImmediate);
    if (clock.sleeping > 0) clock.advance((await clock.nextSleep()).delayMs);
    (await attempt)[outcome]();
    return clock.now() - beganMs;
  }
  async function fail(count: number, user: string, address: string): Promise<number[]> {
    const waits: number[] = [];
    for (let index = 0; index < count; index++) waits.push(await login(user, address, 'failed'));
    return waits;
  }
  return { clock, delays, login, fail };
}

test('the first failures wait for nothing, and each one after that twice as long, up to ten seconds', async () => {
  const { fail } = setUp();
  assert.deepEqual(await fail(10, 'alice', '10.0.0.1'), [0, 0, 0, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
});

test('logins from an address wait for what failed from there, whoever they claim to be', async () => {
  const { fail, login } = setUp();
  for (const user of ['alice', 'bob', 'carol']) await fail(1, user, '10.0.0.1');
  assert.equal(await login('dave', '10.0.0.1', 'succeeded'), 500);
  assert.equal(await login('dave', '10.0.0.2', 'succeeded'), 0);
});

test('logins as a user wait for what failed as that user, wherever from', async () => {
  const { fail, login } = setUp();
  for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) await fail(1, 'alice', address);
  assert.equal(await login('alice', '10.0.0.4', 'succeeded'), 500);
  assert.equal(await login('bob', '10.0.0.4', 'succeeded'), 0);
});

test('of a name that is longer than any user has, what is remembered is no longer', async () => {
  const { fail, login } = setUp();
  const long = 'x'.repeat(255);
  for (const [index, address] of ['10.0.0.1', '10.0.0.2', '10.0.0.3'].entries()) {
    await fail(1, `${long}${index}${'y'.repeat(10_000)}`, address);
  }
  assert.equal(await login(`${long}another`, '10.0.0.4', 'failed'), 500);
  assert.equal(await login(long.slice(1), '10.0.0.4', 'failed'), 0);
});

test('who was let in from an address as a user waits only for what failed there as that user', async () => {
  const { fail, login } = setUp();
  await login('alice', '10.0.0.1', 'succeeded');
  await fail(9, 'alice', '10.0.0.2');
  await fail(9, 'bob', '10.0.0.1');
  assert.equal(await login('alice', '10.0.0.1', 'succeeded'), 0);
  assert.deepEqual(await fail(5, 'alice', '10.0.0.1'), [0, 0, 0, 500, 1000]);
});

test('a success makes no failure forgotten', async () => {
  const { fail, login } = setUp();
  await fail(4, 'alice', '10.0.0.1');
  assert.equal(await login('mallory', '10.0.0.1', 'succeeded'), 1000);
  assert.equal(await login('bob', '10.0.0.1', 'succeeded'), 1000);
});

test('a failure is forgotten in a minute', async () => {
  const { clock, fail, login } = setUp();
  await fail(5, 'alice', '10.0.0.1');
  clock.advance(59_000);
  assert.equal(await login('alice', '10.0.0.1', 'failed'), 2000);
  clock.advance(4 * 60_000);
  assert.equal(await login('alice', '10.0.0.1', 'failed'), 0);
  clock.advance(60 * 60_000);
  assert.deepEqual(await fail(4, 'alice', '10.0.0.1'), [0, 0, 0, 500]);
});

test('those that come at the same time wait one after the other, and who would wait too long is told when to come', async () => {
  const { clock, delays, fail } = setUp();
  await fail(9, 'alice', '10.0.0.1');
  const begun: number[] = [];
  const waiting = [1, 2].map((index) => delays.begin('alice', '10.0.0.1', patient).then(() => begun.push(index)));
  await assert.rejects(delays.begin('alice', '10.0.0.1', patient), (error: unknown) => {
    const { code, headers } = error as { code?: string; headers?: Record<string, string> };
    assert.deepEqual([code, headers?.['retry-after']], ['TOOMANYREQUESTS', '30']);
    return true;
  });
  clock.advance(10_000);
  await waiting[0];
  assert.deepEqual(begun, [1]);
  clock.advance(10_000);
  await waiting[1];
  assert.deepEqual(begun, [1, 2]);
});

test('who leaves waits no more', async () => {
  const { clock, delays, fail } = setUp();
  await fail(9, 'alice', '10.0.0.1');
  const gone = new AbortController();
  const attempt = delays.begin('alice', '10.0.0.1', gone.signal);
  gone.abort(new Error('The client has gone'));
  await assert.rejects(attempt, /The client has gone/);
  assert.equal(clock.sleeping, 0);
});

test('a clock that is set back keeps nobody waiting for more than the delay', async () => {
  const { clock, fail, login } = setUp();
  await fail(9, 'alice', '10.0.0.1');
  clock.advance(-24 * 60 * 60_000);
  assert.equal(await login('alice', '10.0.0.1', 'failed'), 10_000);
});

test('of ever more addresses and users, a bounded number is remembered, the latest', async () => {
  const { delays, login } = setUp();
  for (let index = 0; index < 12_000; index++) {
    const address = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
    (await delays.begin(`user${index}`, address, patient)).failed();
  }
  assert.equal(delays.size, 20_000);
  for (let count = 0; count < 2; count++) await login('user11999', '10.0.46.223', 'failed');
  assert.equal(await login('user11999', '10.0.46.223', 'failed'), 500);
});

test('what is remembered of names and logins that are as long as headers takes little memory', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { delays } = setUp();
  const fill = async (count: number) => {
    for (let index = 0; index < count; index++) {
      const text =
        index % 2 === 0 ? `${index}${'x'.repeat(10_000)}:` : `somebody who is number ${index}:${'y'.repeat(10_000)}`;
      const { name = '' } = parseBasicLogin(`Basic ${Buffer.from(text).toString('base64')}`) ?? {};
      (await delays.begin(name, `10.0.${index >> 8}.${index & 255}`, patient)).failed();
    }
  };
  await fill(100);
  collect();
  const before = process.memoryUsage().heapUsed;
  await fill(4_000);
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 8_000_000, `${grown} bytes`); // 40 MB, were they kept whole
});
