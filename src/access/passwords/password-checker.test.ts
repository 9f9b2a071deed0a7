import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { hashSync } from 'bcryptjs';
import { PasswordChecker } from './password-checker.ts';

const patient = new AbortController().signal;
const hash = hashSync('secret', 4);

function openChecker(t: TestContext): PasswordChecker {
  const checker = new PasswordChecker();
  t.after(() => checker.close());
  return checker;
}

test('a password is right for its own hash, in each form of bcrypt, and for no other', async (t) => {
  const checker = openChecker(t);
  for (const form of ['$2a', '$2b', '$2y']) {
    const given = hash.replace(/^\$2./, form);
    assert.deepEqual([form, await checker.check('secret', given, patient)], [form, true]);
    assert.deepEqual([form, await checker.check('Secret', given, patient)], [form, false]);
  }
});

test('the main thread goes on while a password is checked', async (t) => {
  const checker = openChecker(t);
  let turns = 0;
  let isChecked = false;
  const count = () => {
    turns++;
    if (!isChecked) setImmediate(count);
  };
  count();
  await checker.check('secret', hashSync('other', 8), patient);
  isChecked = true;
  assert.ok(turns > 2, `the event loop turned ${turns} times`);
});

test('more than can wait are told to come again, and who waits gets an answer', async (t) => {
  const checker = openChecker(t);
  const checks = Array.from({ length: 66 }, () =>
    checker.check('secret', hash, patient).then(
      (isRight) => isRight,
      (error) => [error.code, error.headers['retry-after']],
    ),
  );
  assert.equal(checker.waiting, 64);
  const results = await Promise.all(checks);
  assert.deepEqual(results.slice(0, 65), new Array(65).fill(true));
  assert.deepEqual(results.at(-1), ['TOOMANYREQUESTS', '5']);
});

test('who leaves gives up the place in the line', async (t) => {
  const checker = openChecker(t);
  const gone = new AbortController();
  const first = checker.check('secret', hash, patient);
  const left = checker.check('secret', hash, gone.signal);
  const last = checker.check('secret', hash, patient);
  assert.equal(checker.waiting, 2);
  gone.abort(new Error('The client has gone'));
  await assert.rejects(left, /The client has gone/);
  assert.equal(checker.waiting, 1);
  assert.deepEqual(await Promise.all([first, last]), [true, true]);
  await assert.rejects(checker.check('secret', hash, gone.signal), /The client has gone/);
});

test('when it is closed, whoever waits gets an error', async () => {
  const checker = new PasswordChecker();
  const checks = [checker.check('secret', hash, patient), checker.check('secret', hash, patient)];
  const outcomes = Promise.allSettled(checks);
  await checker.close();
  for (const { status } of await outcomes) assert.equal(status, 'rejected');
});
