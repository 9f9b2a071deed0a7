import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkRealm } from './realm.ts';

interface Case {
  readonly registry: string;
  readonly realm: string;
  readonly tokenHosts?: readonly string[];
}

const allowed: Record<string, Case> = {
  'the registry’s own host': { registry: 'https://quay.io', realm: 'https://quay.io/v2/auth' },
  'the registry’s own host at another port': { registry: 'https://r.test:5000', realm: 'https://r.test:5001/token' },
  'a host of the same registrable domain': {
    registry: 'https://registry-1.docker.io',
    realm: 'https://auth.docker.io/token',
  },
  'the registrable domain itself': { registry: 'https://registry.gitlab.com', realm: 'https://gitlab.com/jwt/auth' },
  'a host of the same domain below a suffix of two words': {
    registry: 'https://registry.firm.co.uk',
    realm: 'https://auth.firm.co.uk/token',
  },
  'a host of another domain that the configuration names': {
    registry: 'https://registry.corp.test',
    realm: 'https://login.elsewhere.test/token',
    tokenHosts: ['login.elsewhere.test'],
  },
  'HTTPS for a registry of HTTP': { registry: 'http://r.test', realm: 'https://r.test/token' },
  'HTTP for a registry of HTTP': { registry: 'http://127.0.0.1:5000', realm: 'http://127.0.0.1:5001/token' },
  'the registry’s own IPv6 address': { registry: 'https://[::1]:5000', realm: 'https://[::1]:5001/token' },
  'an address that the configuration names': {
    registry: 'https://r.test',
    realm: 'https://10.0.0.7/token',
    tokenHosts: ['10.0.0.7'],
  },
  'the registry’s own host in capitals': { registry: 'https://r.test', realm: 'HTTPS://R.TEST/Token' },
  'a host without a dot that is the registry’s own': {
    registry: 'http://registry:5000',
    realm: 'http://registry/token',
  },
};

describe('a realm is allowed on', () => {
  for (const [where, { registry, realm, tokenHosts = [] }] of Object.entries(allowed)) {
    test(where, () => assert.equal(checkRealm(realm, new URL(registry), tokenHosts).href, new URL(realm).href));
  }
});

const refused: Record<string, Case> = {
  'a host of another domain': { registry: 'https://registry.test', realm: 'https://evil.example/token' },
  'a host whose name only ends like the registry’s': {
    registry: 'https://docker.io',
    realm: 'https://evildocker.io/token',
  },
  'a host that has the registry’s name as a subdomain': {
    registry: 'https://docker.io',
    realm: 'https://docker.io.evil.example/token',
  },
  'another tenant of the same cloud': {
    registry: 'https://mine.github.io',
    realm: 'https://yours.github.io/token',
  },
  'another domain below the same public suffix': { registry: 'https://a.co.uk', realm: 'https://b.co.uk/token' },
  'an address, for a registry with a name': { registry: 'https://r.test', realm: 'https://10.0.0.7/token' },
  'the cloud’s metadata service': { registry: 'http://r.test', realm: 'http://169.254.169.254/latest/meta-data' },
  'a name, for a registry with an address': { registry: 'https://10.0.0.7', realm: 'https://r.test/token' },
  'another address of the same network': { registry: 'https://10.0.0.7', realm: 'https://10.0.0.8/token' },
  'an address that is written otherwise': { registry: 'https://10.0.0.7', realm: 'https://167772168/token' },
  'loopback, for a registry elsewhere': { registry: 'https://r.test', realm: 'https://localhost/token' },
  'another host without a dot': { registry: 'http://registry', realm: 'http://auth/token' },
  'a subdomain of a host that the configuration names': {
    registry: 'https://r.test',
    realm: 'https://x.login.example/token',
    tokenHosts: ['login.example'],
  },
  'HTTP, for a registry of HTTPS': { registry: 'https://r.test', realm: 'http://r.test/token' },
  'HTTP on a host that the configuration names, for a registry of HTTPS': {
    registry: 'https://r.test',
    realm: 'http://login.example/token',
    tokenHosts: ['login.example'],
  },
  'a host that stands behind a user’s name': {
    registry: 'https://r.test',
    realm: 'https://r.test@evil.example/token',
  },
  'the own host with a password in it': { registry: 'https://r.test', realm: 'https://u:p@r.test/token' },
  'another protocol': { registry: 'https://r.test', realm: 'ftp://r.test/token' },
  'a file': { registry: 'https://r.test', realm: 'file:///etc/passwd' },
  'a path without a host': { registry: 'https://r.test', realm: '/token' },
  nothing: { registry: 'https://r.test', realm: '' },
};

describe('a realm is refused on', () => {
  for (const [where, { registry, realm, tokenHosts = [] }] of Object.entries(refused)) {
    test(where, () => {
      assert.throws(() => checkRealm(realm, new URL(registry), tokenHosts), {
        name: 'RegistryError',
        code: 'UNAVAILABLE',
      });
    });
  }
});

test('the refusal names the registry, the realm’s host, and the setting that would allow it', () => {
  assert.throws(() => checkRealm('https://login.example/token', new URL('https://r.test:5000'), []), {
    message: /r\.test:5000.*"login\.example".*tokenHosts/,
  });
});

test('the refusal of a realm with a password does not repeat it', () => {
  assert.throws(
    () => checkRealm('https://u:hunter2@r.test/token', new URL('https://r.test'), []),
    (error) => error instanceof Error && !error.message.includes('hunter2'),
  );
});
