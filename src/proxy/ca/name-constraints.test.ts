import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressBytes,
  decodeNameConstraints,
  describeConstraints,
  encodeNameConstraints,
  permits,
} from './name-constraints.ts';

const roundTrip = (hosts: readonly string[]) => decodeNameConstraints(encodeNameConstraints(hosts));

test('hosts are permitted with all below them, and no others', () => {
  const constraints = roundTrip(['ghcr.io', 'registry-1.docker.io']);
  for (const host of ['ghcr.io', 'GHCR.IO', 'pkg.ghcr.io', 'registry-1.docker.io']) {
    assert.equal(permits(constraints, host), true, host);
  }
  for (const host of ['notghcr.io', 'io', 'docker.io', 'ghcr.io.example.com', '10.0.0.1', '::1', '']) {
    assert.equal(permits(constraints, host), false, host);
  }
});

test('single addresses are permitted, of both kinds, and no names when there are only addresses', () => {
  const constraints = roundTrip(['10.1.2.3', '2001:db8::7']);
  for (const host of ['10.1.2.3', '2001:db8::7', '2001:db8:0:0::7'])
    assert.equal(permits(constraints, host), true, host);
  for (const host of ['10.1.2.4', '2001:db8::8', '::ffff:10.1.2.3', 'ghcr.io']) {
    assert.equal(permits(constraints, host), false, host);
  }
});

test('addresses are written as their bytes', () => {
  assert.equal(addressBytes('10.1.2.3').toString('hex'), '0a010203');
  assert.equal(addressBytes('::').toString('hex'), '0'.repeat(32));
  assert.equal(addressBytes('1:2::8').toString('hex'), '00010002000000000000000000000008');
  assert.equal(addressBytes('::ffff:10.1.2.3').toString('hex'), '00000000000000000000ffff0a010203');
  assert.equal(addressBytes('fe80::1%eth0').toString('hex'), 'fe800000000000000000000000000001');
});

test('any list of hosts is read as it was written, however long', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.domain(), { minLength: 1, maxLength: 200 }), fc.ipV4(), (domains, address) => {
      const constraints = roundTrip([...domains, address]);
      for (const host of [...domains, address]) assert.equal(permits(constraints, host), true, host);
      assert.deepEqual(
        constraints.domains,
        domains.map((domain) => domain.toLowerCase()),
      );
    }),
    { numRuns: 100 },
  );
});

test('bytes that are no extension are an error, or limit nothing that they do not say', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeNameConstraints(Buffer.from(bytes));
      } catch (error) {
        assert.match((error as Error).message, /ends before/);
      }
    }),
  );
});

test('what is permitted can be read: hosts as they were given, and the kinds that are not limited', () => {
  const describe = (hosts: readonly string[]) => describeConstraints(roundTrip(hosts));
  assert.deepEqual(describe(['ghcr.io', '10.1.2.3', '2001:db8:0:0::7']), ['ghcr.io', '10.1.2.3', '2001:db8::7']);
  assert.deepEqual(describe(['10.1.2.3']), ['10.1.2.3']);
  const free = { domains: undefined, excludedDomains: [], addresses: undefined };
  assert.deepEqual(describeConstraints(free), ['every name', 'every address']);
  const but = { domains: undefined, excludedDomains: ['corp'], addresses: [] };
  assert.deepEqual(describeConstraints(but), ['every name', 'not corp']);
});
