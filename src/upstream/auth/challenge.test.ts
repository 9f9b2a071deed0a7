import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseChallenges } from './challenge.ts';

/** The challenges of a header as plain data: scheme, then the parameters in their order. */
function parse(header: string): [string, Record<string, string>][] {
  return parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

describe('the challenges that registries send', () => {
  test('Docker Hub’s', () => {
    const header =
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull"';
    assert.deepEqual(parse(header), [
      [
        'bearer',
        {
          realm: 'https://auth.docker.io/token',
          service: 'registry.docker.io',
          scope: 'repository:library/alpine:pull',
        },
      ],
    ]);
  });

  test('a comma within quotes separates nothing', () => {
    assert.deepEqual(parse('Bearer scope="repository:x:pull,push",service="s"'), [
      ['bearer', { scope: 'repository:x:pull,push', service: 's' }],
    ]);
  });

  test('an error beside the scope', () => {
    assert.deepEqual(parse('Bearer realm="https://r/token",error="invalid_token"'), [
      ['bearer', { realm: 'https://r/token', error: 'invalid_token' }],
    ]);
  });

  test('a bearer challenge beside a basic one, in either order', () => {
    const bearer = ['bearer', { realm: 'https://r/token', service: 's' }];
    const basic = ['basic', { realm: 'r' }];
    assert.deepEqual(parse('Bearer realm="https://r/token", service="s", Basic realm="r"'), [bearer, basic]);
    assert.deepEqual(parse('Basic realm="r", Bearer realm="https://r/token",service="s"'), [basic, bearer]);
  });

  test('two headers that were joined by a comma are read as both', () => {
    const joined = ['Basic realm="a"', 'Bearer realm="b"'].join(', ');
    assert.deepEqual(parse(joined), [
      ['basic', { realm: 'a' }],
      ['bearer', { realm: 'b' }],
    ]);
  });
});

describe('the grammar of RFC 9110', () => {
  test('its own example: two challenges, a token as a value, escaped quotes (11.6.1)', () => {
    const header = 'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""';
    assert.deepEqual(parse(header), [
      ['basic', { realm: 'simple' }],
      ['newauth', { realm: 'apps', type: '1', title: 'Login to "apps"' }],
    ]);
  });

  test('a scheme alone, and several', () => {
    assert.deepEqual(parse('Negotiate'), [['negotiate', {}]]);
    assert.deepEqual(parse('Negotiate, NTLM,Basic realm="x"'), [
      ['negotiate', {}],
      ['ntlm', {}],
      ['basic', { realm: 'x' }],
    ]);
  });

  test('a bare token is passed over, whatever its padding', () => {
    for (const bare of ['abc', 'abc=', 'abc==', 'a-b._~+/9', 'abc= ']) {
      assert.deepEqual(parse(`Negotiate ${bare}, Basic realm="x"`), [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ]);
      assert.deepEqual(parse(`Negotiate ${bare}`), [['negotiate', {}]]);
    }
  });

  test('names of schemes and parameters have no case, values do', () => {
    assert.deepEqual(parse('BEARER Realm="Https://R/Token",SERVICE=S'), [
      ['bearer', { realm: 'Https://R/Token', service: 'S' }],
    ]);
  });

  test('blanks may stand around the equals sign and the commas, and commas may stand alone', () => {
    assert.deepEqual(parse(' ,, Basic \t realm = "x" , ,charset\t=\tUTF-8,, Digest a=b ,'), [
      ['basic', { realm: 'x', charset: 'UTF-8' }],
      ['digest', { a: 'b' }],
    ]);
  });

  test('an escaped character stands for itself', () => {
    assert.deepEqual(parse('Basic realm="a\\\\b\\"c\\d\\,"'), [['basic', { realm: 'a\\b"cd,' }]]);
  });

  test('an empty value is a value', () => {
    assert.deepEqual(parse('Basic realm="", x=1'), [['basic', { realm: '', x: '1' }]]);
  });

  test('of a parameter that is named twice the first counts', () => {
    assert.deepEqual(parse('Basic realm="a",Realm="b"'), [['basic', { realm: 'a' }]]);
  });

  test('a parameter of the name of JavaScript’s own is a parameter like any other', () => {
    const [challenge] = parseChallenges('Bearer __proto__=a, constructor="b"');
    assert.deepEqual(
      [...challenge!.parameters],
      [
        ['__proto__', 'a'],
        ['constructor', 'b'],
      ],
    );
  });
});

describe('what cannot be read', () => {
  test('ends the reading; what stands before it counts', () => {
    assert.deepEqual(parse('Basic realm="x", Bearer realm="unterminated'), [
      ['basic', { realm: 'x' }],
      ['bearer', {}],
    ]);
    assert.deepEqual(parse('Basic realm="x" @@@, Bearer realm="y"'), [['basic', { realm: 'x' }]]);
    assert.deepEqual(parse('Bearer service="s",realm='), [
      ['bearer', { service: 's' }],
      ['realm', {}],
    ]);
  });

  test('is no challenge when there is nothing else', () => {
    for (const header of ['', ' ', ',', '"quoted"', '=', '@', '\u0000', 'ä']) assert.deepEqual(parse(header), []);
  });

  test('a header of half a megabyte is read at once, however it was made to be slow', () => {
    const length = 500_000;
    const headers = [
      `Basic realm="${'a'.repeat(length)}`,
      `Basic realm="${'\\'.repeat(length)}`,
      `Basic ${'a'.repeat(length)}"`,
      `Basic ${'='.repeat(length)}`,
      `Basic a${' '.repeat(length)}b`,
      `Basic ${'a= '.repeat(length / 3)}`,
      `${'a '.repeat(length / 2)}`,
      `${'a,'.repeat(length / 2)}`,
      `Basic ${'a="",'.repeat(length / 5)}`,
    ];
    const beganMs = performance.now();
    for (const header of headers) parseChallenges(header);
    const spentMs = performance.now() - beganMs;
    // One that takes a step per pair of characters would need minutes.
    assert.ok(spentMs < 5_000, `${spentMs} ms`);
  });
});
