import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tokenExpiry } from './token-expiry.ts';

function jwt(claims: unknown): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
}

test('a JWT says when it ends', () => {
  assert.equal(tokenExpiry(`Bearer ${jwt({ exp: 1_800_000_000 })}`), 1_800_000_000_000);
  assert.equal(tokenExpiry(`bearer  ${jwt({ exp: 1.5 })}`), 1500);
});

test('what is no JWT, or says nothing that can be read, does not', () => {
  const claims = [{}, { exp: '1800000000' }, { exp: null }, null, 7, 'exp', []];
  const broken = ['', 'Bearer', 'Bearer opaque', 'Bearer a.b', 'Bearer e30.%%.x', 'Bearer e30.e30=.x', 'Basic YTpi'];
  for (const authorization of [...claims.map((given) => `Bearer ${jwt(given)}`), ...broken, 'Bearer a.bm8.c']) {
    assert.equal(tokenExpiry(authorization), undefined, authorization);
  }
});

test('claims that would take long to read are not read', () => {
  assert.equal(tokenExpiry(`Bearer ${jwt({ exp: 1, pad: 'x'.repeat(100_000) })}`), undefined);
});
