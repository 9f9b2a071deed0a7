import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { readToken } from './token-command.ts';

const clock = new ManualClock(Date.UTC(2026, 0, 1));
const read = (output: string, username: string | undefined = 'AWS') => readToken(output, username, clock);

describe('what a token command prints is', () => {
  test('a password on the first line, which lives for nobody knows how long', () => {
    const expected = { value: { username: 'AWS', password: 'p:w' }, lifeMs: undefined };
    for (const output of ['p:w', 'p:w\n', '\n p:w \r\nUpdates are available\n'])
      assert.deepEqual(read(output), expected);
  });

  test('JSON with a password or a token', () => {
    const value = { username: 'AWS', password: 'p' };
    assert.deepEqual(read('{"password":"p"}'), { value, lifeMs: undefined });
    assert.deepEqual(read('{\n  "token": "p"\n}\n'), { value, lifeMs: undefined });
  });

  test('JSON with a user, who counts before the one that is configured', () => {
    assert.deepEqual(read('{"username":"u","password":"p"}').value, { username: 'u', password: 'p' });
    assert.deepEqual(read('{"username":"u","password":"p"}', '').value, { username: 'u', password: 'p' });
  });

  test('an identity token, where the user is called so', () => {
    assert.deepEqual(read('p', '<token>').value, { identityToken: 'p' });
  });

  test('JSON with the life time, or its end', () => {
    assert.equal(read('{"token":"p","expiresInSeconds":3600}').lifeMs, 3_600_000);
    assert.equal(read('{"token":"p","expiresInSeconds":"90"}').lifeMs, 90_000);
    assert.equal(read('{"token":"p","expiresAt":"2026-01-01T12:00:00Z"}').lifeMs, 12 * 3_600_000);
    assert.equal(read('{"token":"p","expiresAt":"2026-01-01T02:00:00+01:00"}').lifeMs, 3_600_000);
  });
});

const failures: Record<string, [output: string, username: string | undefined, RegExp]> = {
  nothing: ['\n', 'u', /no password/],
  'JSON without a password': ['{"secret":"p"}', 'u', /no password/],
  'a password that is no text': ['{"password":5}', 'u', /no password/],
  'no user, where none is configured': ['secret', '', /no username/],
  'half of JSON': ['{"password":"secret', 'u', /not/],
  'an end that is no time': ['{"token":"secret","expiresAt":"soon"}', 'u', /no time/],
  'a life that is no number': ['{"token":"secret","expiresInSeconds":"long"}', 'u', /no time/],
  'a token that has ended': ['{"token":"secret","expiresAt":"2025-12-31T23:00:00Z"}', 'u', /ended already/],
};

for (const [what, [output, username, message]] of Object.entries(failures)) {
  test(`${what} is refused, and not quoted`, () => {
    assert.throws(
      () => read(output, username),
      (error: Error) => message.test(error.message) && !/secret|long|soon/.test(error.message),
    );
  });
}
