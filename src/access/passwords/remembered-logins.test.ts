import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { RememberedLogins } from './remembered-logins.ts';

const users = new Map([
  ['alice', 'hash of alice'],
  ['bob', 'hash of bob'],
]);

function setUp() {
  const clock = new ManualClock();
  const logins = new RememberedLogins(60_000, clock);
  const alice = logins.macOf({ name: 'alice', password: 'secret' });
  assert.ok(!logins.find('alice', alice, users));
  logins.add('alice', alice, 'hash of alice');
  return { clock, logins, alice };
}

test('a login is known until its time is over, however often it is used', () => {
  const { clock, logins, alice } = setUp();
  for (let seconds = 0; seconds < 60; seconds += 10) {
    assert.equal(logins.find('alice', alice, users), 'hash of alice');
    clock.advance(10_000);
  }
  assert.ok(!logins.find('alice', alice, users));
});

test('a clock that is set back makes it forgotten', () => {
  const { clock, logins, alice } = setUp();
  clock.advance(-1);
  assert.ok(!logins.find('alice', alice, users));
});

test('no other password, and no other user with it, is known', () => {
  const { logins } = setUp();
  for (const [name, password] of [
    ['alice', 'Secret'],
    ['alice', ''],
    ['bob', 'secret'],
    ['carol', 'secret'],
  ] as const) {
    assert.ok(!logins.find(name, logins.macOf({ name, password }), users));
  }
});

test('a login is forgotten when the line of the user changes or goes, and not when another one does', () => {
  for (const [after, isKnown] of [
    [new Map([...users, ['bob', 'another hash of bob']]), true],
    [new Map([...users, ['alice', 'another hash of alice']]), false],
    [new Map([['bob', 'hash of bob']]), false],
  ] as const) {
    const { logins, alice } = setUp();
    assert.equal(logins.find('alice', alice, after) !== undefined, isKnown);
    assert.equal(logins.find('alice', alice, users) !== undefined, isKnown, 'not even when the line is as it was');
  }
});

test('what was proven against a line that has changed meanwhile is not remembered', () => {
  const { logins } = setUp();
  const bob = logins.macOf({ name: 'bob', password: 'secret' });
  logins.add('bob', bob, 'an older hash of bob');
  assert.ok(!logins.find('bob', bob, users));
});

test('no two logins have the same keyed hash, nor the same one in two processes', () => {
  const [one, two] = [new RememberedLogins(1, new ManualClock()), new RememberedLogins(1, new ManualClock())];
  const login = { name: 'a:b', password: 'c' };
  assert.notDeepEqual(one.macOf(login), one.macOf({ name: 'a', password: 'b:c' }));
  assert.notDeepEqual(one.macOf(login), one.macOf({ name: 'a:b","c', password: '' }));
  assert.notDeepEqual(one.macOf(login), two.macOf(login));
  assert.deepEqual(one.macOf(login), one.macOf({ ...login }));
});
