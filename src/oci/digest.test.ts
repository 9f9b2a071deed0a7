import assert from 'node:assert/strict';
import { test } from 'node:test';
import { algorithmOf, digestOf, hexOf, isDigest, parseDigest } from './digest.ts';
import { RegistryError } from './errors.ts';

// NIST's test vectors for "abc".
const sha256OfAbc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const sha512OfAbc =
  'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f';

test('digestOf() hashes bytes by sha256 unless told otherwise', () => {
  const abc = Buffer.from('abc');
  assert.equal(digestOf(abc), `sha256:${sha256OfAbc}`);
  assert.equal(digestOf(abc, 'sha512'), `sha512:${sha512OfAbc}`);
});

test('a digest tells its algorithm and its hex', () => {
  const short = parseDigest(`sha256:${sha256OfAbc}`);
  const long = parseDigest(`sha512:${sha512OfAbc}`);
  assert.deepEqual([algorithmOf(short), hexOf(short)], ['sha256', sha256OfAbc]);
  assert.deepEqual([algorithmOf(long), hexOf(long)], ['sha512', sha512OfAbc]);
});

const malformed: Record<string, string> = {
  'no algorithm': sha256OfAbc,
  'upper-case hex': `sha256:${sha256OfAbc.toUpperCase()}`,
  'an upper-case algorithm': `SHA256:${sha256OfAbc}`,
  'a digit too few': `sha256:${sha256OfAbc.slice(1)}`,
  'a digit too many': `sha256:${sha256OfAbc}0`,
  'the length of another algorithm': `sha512:${sha256OfAbc}`,
  'an unknown algorithm': `md5:${sha256OfAbc.slice(32)}`,
  'a component of an algorithm': `sha256+b64:${sha256OfAbc}`,
  'no hex at all': 'sha256:',
  'a letter that is no digit': `sha256:g${sha256OfAbc.slice(1)}`,
  'a line break behind it': `sha256:${sha256OfAbc}\n`,
  'a path in it': 'sha256:../../etc/passwd',
  nothing: '',
};

for (const [what, text] of Object.entries(malformed)) {
  test(`parseDigest() refuses ${what}`, () => {
    assert.equal(isDigest(text), false);
    assert.throws(() => parseDigest(text), { name: 'RegistryError', code: 'DIGEST_INVALID', status: 400 });
  });
}

test('the refusal of a digest repeats no more than the beginning of a long one', () => {
  assert.throws(
    () => parseDigest('x'.repeat(100_000)),
    (error) => error instanceof RegistryError && error.message.length < 400,
  );
});
