import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { hashSync } from 'bcryptjs';
import { EventLog } from '../../../test/support/event-log.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import type { Users } from './htpasswd.ts';
import { type LoginResult, Logins } from './logins.ts';
import { PasswordChecker } from './password-checker.ts';

const patient = new AbortController().signal;
const [secretHash, otherHash] = [hashSync('secret', 4), hashSync('other', 4)];

function header(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

/** Logins of two users, whose lines a test may change. */
function setUp(
  t: TestContext,
  given: Users = new Map([
    ['alice', secretHash],
    ['bob', otherHash],
  ]),
) {
  const clock = new ManualClock();
  const log = new EventLog();
  const results: LoginResult[] = [];
  const state = { users: given, bcrypts: 0 };
  const checker = new PasswordChecker();
  const logins = new Logins({
    readUsers: async () => state.users,
    checkPassword(...question) {
      state.bcrypts++;
      return checker.check(...question);
    },
    rememberForMs: 300_000,
    clock,
    log,
    counted: (result) => results.push(result),
  });
  t.after(() => checker.close());
  const identify = (name: string, password: string, address = '10.0.0.1', signal = patient) =>
    logins.identify(header(name, password), address, signal);
  return { clock, log, results, state, logins, identify };
}

const isUnauthorized = { code: 'UNAUTHORIZED', headers: { 'www-authenticate': 'Basic realm="Entrepot"' } };

test('who sends no login, or an empty one as podman does, is nobody in particular', async (t) => {
  const { logins, results } = setUp(t);
  assert.deepEqual(await logins.identify(undefined, '10.0.0.1', patient), { user: undefined });
  assert.deepEqual(await logins.identify('Basic Og==', '10.0.0.1', patient), { user: undefined });
  assert.deepEqual(results, []);
});

test('a thousand requests with the right password cost one bcrypt, those that come at the same time, too', async (t) => {
  const { identify, results, state } = setUp(t);
  const together = Array.from({ length: 500 }, (_, index) => identify('alice', 'secret', `10.0.0.${index % 5}`));
  for (const identity of await Promise.all(together)) assert.deepEqual(identity, { user: 'alice' });
  for (let count = 0; count < 500; count++) await identify('alice', 'secret');
  assert.equal(state.bcrypts, 1);
  assert.deepEqual(results, new Array(5).fill('proven'), 'one login of each address');
});

test('a wrong password, an unknown user and an unreadable login are refused with the challenge', async (t) => {
  const { identify, logins, results } = setUp(t);
  await assert.rejects(identify('alice', 'other'), isUnauthorized);
  await assert.rejects(identify('bob', 'secret'), isUnauthorized);
  await assert.rejects(identify('carol', 'secret'), isUnauthorized);
  assert.deepEqual(results, ['wrong', 'wrong', 'wrong']);
  for (const sent of ['Bearer token', 'Basic ', 'Basic YWxpY2U=', 'nonsense']) {
    await assert.rejects(logins.identify(sent, '10.0.0.1', patient), isUnauthorized);
  }
  assert.equal(results.length, 3, 'what claims no name is no guess');
});

test('an unknown user is refused as a known one is, in a file without users, too, and with whatever password', async (t) => {
  for (const users of [new Map(), new Map([['alice', secretHash]])]) {
    const { identify, results, state } = setUp(t, users);
    await assert.rejects(identify('carol', 'secret'), isUnauthorized);
    await assert.rejects(identify('', 'secret'), isUnauthorized);
    assert.deepEqual(results, ['wrong', 'wrong']);
    assert.equal(state.bcrypts, 2, 'it costs what a wrong password costs');
  }
});

test('a password that was proven is looked at again when its time is over, and when the line changed', async (t) => {
  const { clock, identify, results, state } = setUp(t);
  await identify('alice', 'secret');
  clock.advance(299_999);
  await identify('alice', 'secret');
  assert.equal(results.length, 1);
  clock.advance(1);
  await identify('alice', 'secret');
  assert.equal(results.length, 2);
  state.users = new Map([['alice', otherHash]]);
  await assert.rejects(identify('alice', 'secret'), isUnauthorized);
  assert.deepEqual(await identify('alice', 'other'), { user: 'alice' });
  state.users = new Map();
  await assert.rejects(identify('alice', 'other'), isUnauthorized);
});

test('guesses wait longer and longer before they are looked at, while a remembered password waits for nothing', async (t) => {
  const { clock, identify, results } = setUp(t);
  await identify('alice', 'secret', '10.0.0.2');
  for (const guess of ['a', 'b', 'c']) await assert.rejects(identify('alice', guess), isUnauthorized);
  for (const waitMs of [500, 1000, 2000]) {
    const before = results.length;
    const guess = identify('alice', `guess${waitMs}`);
    const refused = assert.rejects(guess, isUnauthorized);
    assert.equal((await clock.nextSleep()).delayMs, waitMs);
    clock.advance(waitMs - 1);
    assert.deepEqual(await identify('alice', 'secret', '10.0.0.2'), { user: 'alice' });
    assert.equal(results.length, before, 'it is not looked at before');
    clock.advance(1);
    await refused;
  }
});

test('one guess that is sent by many requests is one failure', async (t) => {
  const { identify, results } = setUp(t);
  const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => identify('alice', 'guess')));
  assert.ok(outcomes.every(({ status }) => status === 'rejected'));
  assert.deepEqual(results, ['wrong']);
});

test('a client that leaves ends its wait, and the wait of no other', async (t) => {
  const { clock, identify } = setUp(t);
  for (const guess of ['a', 'b', 'c']) await assert.rejects(identify('alice', guess), isUnauthorized);
  const gone = new AbortController();
  const left = identify('alice', 'secret', '10.0.0.1', gone.signal);
  const stays = identify('alice', 'secret');
  const { delayMs } = await clock.nextSleep();
  gone.abort(new Error('The client has gone'));
  await assert.rejects(left, /The client has gone/);
  clock.advance(delayMs);
  assert.deepEqual(await stays, { user: 'alice' });
});

test('too many guesses are refused unseen, and told when to come again', async (t) => {
  const { clock, identify, log, results } = setUp(t);
  for (const guess of ['a', 'b', 'c']) await assert.rejects(identify('alice', guess), isUnauthorized);
  const waiting = Array.from({ length: 60 }, (_, index) => identify('alice', `guess ${index}`));
  const outcomes = Promise.allSettled(waiting);
  await new Promise(setImmediate);
  clock.advance(20_000);
  const codes = (await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason.code);
  assert.equal(codes.filter((code) => code === 'UNAUTHORIZED').length, 40);
  assert.equal(codes.filter((code) => code === 'TOOMANYREQUESTS').length, 20);
  assert.equal(results.filter((result) => result === 'refused').length, 20);
  assert.equal(log.named('login refused unseen, there were too many').length, 20);
});

test('the log has the name and the address of a failed login, and never a password', async (t) => {
  const { identify, log } = setUp(t);
  await identify('bob', 'other');
  await assert.rejects(identify('alice', 'swordfish', '10.0.0.7'));
  await assert.rejects(identify('x'.repeat(5_000), 'swordfish', '10.0.0.7'));
  const [first, second] = log.named('login failed');
  assert.deepEqual(first?.facts, { user: 'alice', client: '10.0.0.7' });
  assert.equal(String(second?.facts['user']).length, 100);
  assert.doesNotMatch(JSON.stringify(log.named('login failed')), /swordfish|c3dvcmRmaXNo/);
});

test('who was proven is still the same until his line changes or goes, and nobody is always nobody', async (t) => {
  const { logins, identify, state } = setUp(t);
  const [first, remembered, bob] = [
    await identify('alice', 'secret'),
    await identify('alice', 'secret'),
    await identify('bob', 'other'),
  ];
  const areStill = () =>
    Promise.all([first, remembered, bob, { user: undefined }].map((identity) => logins.isStill(identity, patient)));
  assert.deepEqual(await areStill(), [true, true, true, true]);
  state.users = new Map([
    ['alice', hashSync('secret', 4)],
    ['bob', otherHash],
  ]);
  assert.deepEqual(await areStill(), [false, false, true, true]);
  state.users = new Map([['alice', secretHash]]);
  assert.deepEqual(await areStill(), [true, true, false, true]);
  assert.equal(await logins.isStill({ user: 'alice' }, patient), false, 'a name by itself proves nothing');
});
