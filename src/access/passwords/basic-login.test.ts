import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isEmptyLogin, parseBasicLogin } from './basic-login.ts';

function header(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

describe('parseBasicLogin()', () => {
  const rows: readonly (readonly [header: string, expected: ReturnType<typeof parseBasicLogin>])[] = [
    [header('alice:secret'), { name: 'alice', password: 'secret' }],
    [header('alice:se:cr:et'), { name: 'alice', password: 'se:cr:et' }],
    [header('bób:pässwörd'), { name: 'bób', password: 'pässwörd' }],
    [header('alice:'), { name: 'alice', password: '' }],
    [header(':secret'), { name: '', password: 'secret' }],
    ['basic  Og==', { name: '', password: '' }],
    ['BASIC Og', { name: '', password: '' }],
    [header('alice'), undefined],
    ['Basic', undefined],
    ['Basic ', undefined],
    ['Basic !', undefined],
    ['Bearer YWxpY2U6c2VjcmV0', undefined],
    ['YWxpY2U6c2VjcmV0', undefined],
    ['', undefined],
  ];
  for (const [given, expected] of rows) {
    test(`${JSON.stringify(given)} is ${JSON.stringify(expected) ?? 'no login'}`, () => {
      assert.deepEqual(parseBasicLogin(given), expected);
    });
  }

  test('reads back every name without a colon, and every password', () => {
    const name = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes(':'));
    fc.assert(
      fc.property(name, fc.string({ unit: 'grapheme' }), (name, password) => {
        assert.deepEqual(parseBasicLogin(header(`${name}:${password}`)), { name, password });
      }),
    );
  });
});

test('only a login without name and password claims nothing', () => {
  assert.ok(isEmptyLogin({ name: '', password: '' }));
  assert.ok(!isEmptyLogin({ name: 'alice', password: '' }));
  assert.ok(!isEmptyLogin({ name: '', password: 'secret' }));
});

test('however many blanks there are, reading them takes no time to speak of', () => {
  const beganAtMs = performance.now();
  assert.equal(parseBasicLogin(`Basic${' '.repeat(100_000)}!`), undefined);
  assert.ok(performance.now() - beganAtMs < 5_000); // it is a millisecond; every way of sharing them out takes half a minute
});
