import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { credentialsIn, helperFor, parseDockerConfig, serverNameOf } from './docker-config.ts';

const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
const hub = new URL('https://registry-1.docker.io');
const corp = new URL('https://registry.corp');
const other = new URL('https://other.corp');

function find(config: object, server: URL) {
  return credentialsIn(parseDockerConfig(JSON.stringify(config)), server);
}

describe('a server is found by', () => {
  const user = { username: 'u', password: 'p' };

  for (const key of ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io']) {
    test(`${key}, which is Docker Hub`, () => {
      assert.deepEqual(find({ auths: { [key]: auth('u:p') } }, hub), user);
      assert.equal(find({ auths: { [key]: auth('u:p') } }, corp), undefined);
    });
  }

  for (const key of [
    'registry.corp',
    'registry.corp:443',
    'https://registry.corp',
    'https://registry.corp/',
    'https://registry.corp/v1/',
    'https://registry.corp/v2',
    'http://registry.corp/v2/',
    'Registry.Corp',
  ]) {
    test(key, () => {
      assert.deepEqual(find({ auths: { [key]: auth('u:p') } }, corp), user);
      assert.equal(find({ auths: { [key]: auth('u:p') } }, other), undefined);
      assert.equal(find({ auths: { [key]: auth('u:p') } }, new URL('https://registry.corp:5443')), undefined);
    });
  }

  test('host and port', () => {
    const config = { auths: { 'registry.corp:5000': auth('u:p') } };
    assert.deepEqual(find(config, new URL('http://registry.corp:5000/base')), user);
    assert.equal(find(config, corp), undefined);
  });

  test('docker’s own name for it before any other', () => {
    const auths = { 'docker.io': auth('a:1'), 'https://index.docker.io/v1/': auth('b:2') };
    assert.deepEqual(find({ auths }, hub), { username: 'b', password: '2' });
  });

  test('no key that is for a part of it, or for tokens of docker itself', () => {
    for (const key of [
      'registry.corp/team',
      'https://registry.corp/v1/access-token',
      'https://registry.corp/v1/x',
      '',
      '/',
    ]) {
      assert.equal(find({ auths: { [key]: auth('u:p') } }, corp), undefined);
    }
  });
});

describe('an entry holds', () => {
  const of = (entry: object) => find({ auths: { 'registry.corp': entry } }, corp);

  test('a user and a password, of which all colons but the first are part', () => {
    assert.deepEqual(of(auth('ü:p:w')), { username: 'ü', password: 'p:w' });
    assert.deepEqual(of(auth('u:p\0\0')), { username: 'u', password: 'p' });
  });

  test('the same in two words, as Kubernetes writes it', () => {
    assert.deepEqual(of({ username: 'u', password: 'p' }), { username: 'u', password: 'p' });
  });

  test('an identity token, which counts before the empty password beside it', () => {
    const identitytoken = 'identity';
    assert.deepEqual(of({ ...auth('0000:'), identitytoken }), { identityToken: 'identity' });
    assert.deepEqual(of(auth('<token>:identity')), { identityToken: 'identity' });
  });

  test('nothing, where a helper keeps it', () => {
    for (const entry of [{}, { auth: '' }, { email: 'x@y' }]) assert.equal(of(entry), undefined);
  });
});

describe('a helper', () => {
  const helper = (config: object, server: URL) => helperFor(parseDockerConfig(JSON.stringify(config)), server);

  test('of a server counts before that of all', () => {
    const config = { credHelpers: { 'registry.corp': 'ecr-login', 'docker.io': 'pass' }, credsStore: 'desktop' };
    assert.equal(helper(config, corp), 'ecr-login');
    assert.equal(helper(config, hub), 'pass');
    assert.equal(helper(config, other), 'desktop');
    assert.equal(helper({ credHelpers: { 'registry.corp': 'gcloud' } }, other), undefined);
    assert.equal(helper({ credsStore: '' }, other), undefined);
  });

  test('is asked by docker’s name for the server', () => {
    assert.equal(serverNameOf(hub), 'https://index.docker.io/v1/');
    assert.equal(serverNameOf(new URL('https://registry.corp:5443/base')), 'registry.corp:5443');
  });

  test('with a name that could be a path, an option or a command is refused', () => {
    for (const name of ['../evil', 'a b', 'a/b', 'a;b', 'A', '', 7, null, 'x\n']) {
      const config = JSON.stringify({ credHelpers: { 'registry.corp': name } });
      assert.throws(() => parseDockerConfig(config), /credential helper/);
    }
  });
});

test('a file that is no docker configuration is refused, and none of it is told', () => {
  for (const text of [
    'secret',
    '"secret"',
    '["secret"]',
    '{"auths":"secret"}',
    '{"auths":["secret"]}',
    '{"credHelpers":"secret"}',
    '{"credsStore":"../secret"}',
    `{"auths":{"registry.corp":{"auth":"${Buffer.from('secret').toString('base64')}"}}}`,
    '',
  ]) {
    assert.throws(
      () => parseDockerConfig(text),
      (error: Error) => !/secret|c2VjcmV0/.test(error.message),
    );
  }
});
