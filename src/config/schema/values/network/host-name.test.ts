import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRepository } from '../../../../oci/reference.ts';
import { aliasOfName, makeAlias, parseAlias, parseDomain, parseRegistryName } from './host-name.ts';

test('an alias is a host name with a dot, which can stand in a path and in front of a domain', () => {
  for (const alias of ['ghcr.io', 'registry.corp', '10.0.0.5', 'a-b.c', 'xn--bcher-kva.example']) {
    assert.equal(parseAlias(alias), alias);
    assert.equal(parseRepository(`${alias}/app`), `${alias}/app`);
  }
  for (const alias of ['corp', 'registry.corp:5000', 'Ghcr.io', 'a..b', '.a', 'a.', 'a_b.c', '-a.b', 'a.b/c', '']) {
    assert.throws(() => parseAlias(alias), /with a dot and without a port/, alias);
  }
});

test('the name of a registry may have a port, need not have a dot, and has no scheme or path', () => {
  for (const name of ['docker.io', 'registry.corp:5443', 'localhost:5000', 'registry', '10.0.0.5:5000', '[::1]:5000']) {
    assert.equal(parseRegistryName(name), name);
  }
  for (const name of ['https://ghcr.io', 'ghcr.io/owner', 'GHCR.io', 'ghcr.io:', 'a b', '', '*']) {
    assert.throws(() => parseRegistryName(name), /expected a lower-case host name/, name);
  }
});

test('a domain is put in lower case', () => {
  assert.equal(parseDomain('Registry.Example.com'), 'registry.example.com');
  assert.equal(parseDomain('localhost'), 'localhost');
  for (const domain of ['', 'https://a.b', 'a.b:5000', '*.a.b', 'a.b.']) {
    assert.throws(() => parseDomain(domain), /expected a domain/, domain);
  }
});

test('a name is its own alias unless it has a port or no dot', () => {
  assert.equal(aliasOfName('ghcr.io'), 'ghcr.io');
  assert.equal(aliasOfName('registry.corp:5443'), undefined);
  assert.equal(aliasOfName('registry'), undefined);
});

test('makeAlias() makes an alias of any name', () => {
  assert.equal(makeAlias('registry.corp:5443'), 'registry.corp');
  assert.equal(makeAlias('localhost:5000'), 'localhost.internal');
  for (const name of ['mirror', '[::1]:5000', '[2001:db8::7]', '10.0.0.5:80']) {
    assert.equal(parseAlias(makeAlias(name)), makeAlias(name), name);
  }
});
