import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReachableAddresses } from './addresses.ts';

const nothingElse = new ReachableAddresses([]);

test('addresses of the public internet may be reached', () => {
  for (const address of [
    '1.1.1.1',
    '93.184.216.34',
    '172.15.255.255',
    '172.32.0.1',
    '2606:4700::1111',
    '64:ff9b::101:101',
  ]) {
    assert.equal(nothingElse.has(address), true, address);
  }
});

test('loopback, link-local, private, metadata and other special addresses may not', () => {
  const special = [
    ...['127.0.0.1', '127.255.255.254', '0.0.0.0', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
    ...['169.254.169.254', '100.64.0.1', '100.100.100.200', '224.0.0.1', '255.255.255.255', '198.18.0.1'],
    ...['::', '::1', 'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd00:ec2::254', 'ff02::1', '2001:db8::1', '::7f00:1'],
  ];
  for (const address of special) assert.equal(nothingElse.has(address), false, address);
});

test('an IPv4 address within an IPv6 one leads where it leads', () => {
  for (const address of ['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:a9fe:a9fe', '64:ff9b::7f00:1', '2002:7f00:1::']) {
    assert.equal(nothingElse.has(address), false, address);
  }
  assert.equal(nothingElse.has('::ffff:1.1.1.1'), true);
  assert.equal(nothingElse.has('2002:101:101::1'), true);
});

test('what is no address may not be reached', () => {
  for (const text of ['', 'localhost', '127.1', '1.1.1.1.1', ':::']) assert.equal(nothingElse.has(text), false, text);
});

test('networks and single addresses can be allowed, in either form', () => {
  const some = new ReachableAddresses(['10.0.0.0/8', '127.0.0.1', 'fd00::/8']);
  for (const address of ['10.200.1.1', '127.0.0.1', '::ffff:127.0.0.1', 'fd12::1', '1.1.1.1']) {
    assert.equal(some.has(address), true, address);
  }
  for (const address of ['127.0.0.2', '192.168.0.1', 'fc00::1', '::1']) assert.equal(some.has(address), false, address);
});
