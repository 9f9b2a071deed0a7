import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChallenges } from './challenge.ts';
import { KnownRealms } from './known-realms.ts';

const registry = new URL('https://registry-1.docker.io');
const place = 'https://registry-1.docker.io/entrepot/token/';
const realm = 'https://auth.docker.io/token';
const challenge = `Bearer realm="${realm}",service="registry.docker.io"`;

function headOf(header: string) {
  return { status: 401, headers: new Map([['www-authenticate', header]]), persistent: true };
}

function known(header: string, server = registry, tokenHosts: readonly string[] = []): KnownRealms {
  const realms = new KnownRealms(server, tokenHosts);
  realms.note(headOf(header));
  return realms;
}

function parametersOf(header: string | undefined): [string, string][] {
  return [...parseChallenges(header ?? '')[0]!.parameters];
}

test('a realm that the registry named is replaced by a place, behind which it is found again', () => {
  const realms = known(challenge);
  const parameters = parametersOf(realms.rename(`${challenge},scope="repository:a:pull",error="x\\"y"`, place));
  const [[, ours = ''] = [], ...others] = parameters;
  assert.deepEqual(others, [
    ['service', 'registry.docker.io'],
    ['scope', 'repository:a:pull'],
    ['error', 'x"y'],
  ]);
  assert.match(ours, /^https:\/\/registry-1\.docker\.io\/entrepot\/token\/[0-9a-f]{16}$/);
  assert.equal(realms.find(ours.slice(place.length))?.href, realm);
  // The same after a restart, and with another server of the same realm.
  assert.deepEqual(parametersOf(known(challenge).rename(challenge, place))[0], ['realm', ours]);
});

test('only the challenge that is answered there is changed', () => {
  const realms = known(challenge);
  const renamed = realms.rename(`Negotiate, ${challenge}, Basic realm="${realm}"`, place)!;
  assert.deepEqual(
    parseChallenges(renamed).map(({ scheme, parameters }) => [scheme, parameters.get('realm') === realm]),
    [
      ['negotiate', false],
      ['bearer', false],
      ['basic', true],
    ],
  );
});

test('a realm that the registry may not name, or has not, stays as it is', () => {
  for (const elsewhere of ['https://auth.docker.io.evil.test/token', 'http://auth.docker.io/token', 'token', '']) {
    const header = `Bearer realm="${elsewhere}"`;
    assert.equal(known(header).rename(header, place), undefined, elsewhere);
  }
  assert.equal(known(challenge).rename('Bearer realm="https://auth.docker.io/other"', place), undefined);
  assert.equal(known('Basic realm="x"').rename('Basic realm="x"', place), undefined);
  const named = 'Bearer realm="https://login.elsewhere.test/token"';
  assert.notEqual(known(named, registry, ['login.elsewhere.test']).rename(named, place), undefined);
});

test('who would log in by TLS is not told to do so without', () => {
  const server = new URL('http://registry.corp.test');
  const plain = 'http://registry.corp.test/entrepot/token/';
  const [byTls, without] = ['Bearer realm="https://auth.corp.test/t"', 'Bearer realm="http://auth.corp.test/t"'];
  assert.equal(known(byTls, server).rename(byTls, plain), undefined);
  assert.notEqual(known(without, server).rename(without, plain), undefined);
  assert.notEqual(known(byTls, server).rename(byTls, plain.replace('http:', 'https:')), undefined);
});

test('a registry that names ever more realms, or long ones, fills no memory', () => {
  const realms = new KnownRealms(registry, []);
  const named = (index: number) => `Bearer realm="https://auth.docker.io/${index}"`;
  for (let index = 0; index < 100; index++) realms.note(headOf(named(index)));
  const kept = Array.from({ length: 100 }, (_, index) => realms.rename(named(index), place) !== undefined);
  assert.deepEqual([kept.indexOf(true), kept.filter(Boolean).length], [36, 64]);
  const long = `Bearer realm="https://auth.docker.io/${'a'.repeat(3_000)}"`;
  realms.note(headOf(long));
  assert.equal(realms.rename(long, place), undefined);
});
