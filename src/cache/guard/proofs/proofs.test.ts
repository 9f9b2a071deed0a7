import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { ManualClock } from '../../../../test/support/time/clock.ts';
import { RegistryError } from '../../../oci/errors.ts';
import type { Repository } from '../../../oci/reference.ts';
import { Proofs } from './proofs.ts';

const repository = 'lib/app' as Repository;
const subject = { upstream: 'origin.test', repository, authorization: 'Bearer secret' };
const refusal = new RegistryError('UNAUTHORIZED', 'no', { headers: { 'www-authenticate': 'Basic' }, cause: {} });

function setUp(maxCount?: number) {
  const clock = new ManualClock();
  const proofs = new Proofs({
    clock,
    ttlMs: 60_000,
    refusalMs: 10_000,
    ...(maxCount === undefined ? {} : { maxCount }),
  });
  return { clock, proofs, key: proofs.keyOf(subject) };
}

test('a proof holds until its time is over, and was one from then on', () => {
  const { clock, proofs, key } = setUp();
  assert.deepEqual([proofs.isProven(key), proofs.wasProven(key)], [false, false]);
  proofs.noteAccepted(key, subject.authorization);
  clock.advance(59_999);
  assert.equal(proofs.isProven(key), true);
  clock.advance(1);
  assert.deepEqual([proofs.isProven(key), proofs.wasProven(key)], [false, true]);
});

test('a proof is for one upstream, one repository and one Authorization', () => {
  const { proofs, key } = setUp();
  proofs.noteAccepted(key, subject.authorization);
  for (const other of [
    { upstream: 'other.test' },
    { repository: 'lib/other' as Repository },
    { authorization: 'Bearer other' },
    { authorization: undefined },
    { upstream: 'origin.test\nlib/app', repository: 'Bearer secret' as Repository, authorization: undefined },
  ]) {
    assert.equal(proofs.isProven(proofs.keyOf({ ...subject, ...other })), false, inspect(other));
  }
});

test('a proof ends with the token that it is of, and one that has ended is no proof', () => {
  const { clock, proofs, key } = setUp();
  const token = (lifeMs: number) => {
    const claims = JSON.stringify({ exp: (clock.now() + lifeMs) / 1000 });
    return `Bearer e30.${Buffer.from(claims).toString('base64url')}.c2ln`;
  };
  proofs.noteAccepted(key, token(30_000));
  clock.advance(29_999);
  assert.equal(proofs.isProven(key), true);
  clock.advance(1);
  assert.equal(proofs.isProven(key), false);
  proofs.noteAccepted(key, token(-1));
  assert.equal(proofs.isProven(key), false);
  proofs.noteAccepted(key, token(1e9));
  clock.advance(60_000);
  assert.equal(proofs.isProven(key), false);
});

test('a refusal takes a proof away, and is remembered for a while', () => {
  const { clock, proofs, key } = setUp();
  proofs.noteAccepted(key, undefined);
  proofs.noteRefused(key, refusal);
  assert.deepEqual([proofs.isProven(key), proofs.wasProven(key)], [false, false]);
  clock.advance(9_999);
  const { code, message, headers, cause } = proofs.refusalOf(key)!;
  assert.deepEqual([code, message, headers, cause], ['UNAUTHORIZED', 'no', refusal.headers, undefined]);
  clock.advance(1);
  assert.equal(proofs.refusalOf(key), undefined);
  proofs.noteRefused(key, refusal);
  proofs.noteAccepted(key, undefined);
  assert.deepEqual([proofs.isProven(key), proofs.refusalOf(key)], [true, undefined]);
});

test('a proof that ran out is extended, and what never was one is not', () => {
  const { clock, proofs, key } = setUp();
  proofs.extend(key, 10_000);
  assert.equal(proofs.isProven(key), false);
  proofs.noteAccepted(key, undefined);
  clock.advance(60_000);
  proofs.extend(key, 10_000);
  clock.advance(9_999);
  assert.equal(proofs.isProven(key), true);
  clock.advance(1);
  assert.equal(proofs.isProven(key), false);
});

test('a clock that is set back ends proofs', () => {
  const { clock, proofs, key } = setUp();
  proofs.noteAccepted(key, undefined);
  clock.advance(-1);
  assert.equal(proofs.isProven(key), false);
});

test('no more are remembered than may be, and the oldest goes first', () => {
  const { proofs } = setUp(2);
  const keys = ['a', 'b', 'c'].map((authorization) => proofs.keyOf({ ...subject, authorization }));
  for (const key of keys) proofs.noteAccepted(key, undefined);
  assert.deepEqual(
    keys.map((key) => proofs.isProven(key)),
    [false, true, true],
  );
  for (const key of keys) proofs.noteRefused(key, refusal);
  assert.deepEqual(
    keys.map((key) => proofs.refusalOf(key) !== undefined),
    [false, true, true],
  );
});

test('what is remembered tells nothing of the credentials, and is another in each process', () => {
  const { key } = setUp();
  assert.ok(!key.includes('secret'));
  assert.notEqual(setUp().key, key);
});
