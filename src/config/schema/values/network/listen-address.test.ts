import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback, parseListenAddress, parseListenAddressOrNone } from './listen-address.ts';

test('parseListenAddress() reads every form of an address', () => {
  const addresses: [string, string, number][] = [
    ['127.0.0.1:5000', '127.0.0.1', 5000],
    ['0.0.0.0:5000', '0.0.0.0', 5000],
    ['localhost:80', 'localhost', 80],
    ['[::1]:5000', '::1', 5000],
    ['[::]:5000', '::', 5000],
    ['[fe80::1%eth0]:5000', 'fe80::1%eth0', 5000],
    [':5000', '', 5000],
    ['*:5000', '', 5000],
    ['5000', '127.0.0.1', 5000],
    ['127.0.0.1:0', '127.0.0.1', 0],
  ];
  for (const [text, host, port] of addresses) assert.deepEqual(parseListenAddress(text), { host, port }, text);
});

test('parseListenAddress() refuses what is no address', () => {
  for (const text of [
    '',
    'localhost',
    '::1:5000',
    '127.0.0.1:65536',
    '127.0.0.1:',
    'http://a:5000',
    'a b:50',
    '[x]:1',
  ]) {
    assert.throws(() => parseListenAddress(text), /expected host:port/, text);
  }
});

test('parseListenAddressOrNone() reads the same addresses, and none', () => {
  assert.equal(parseListenAddressOrNone('none'), undefined);
  assert.deepEqual(parseListenAddressOrNone('5001'), { host: '127.0.0.1', port: 5001 });
  assert.throws(() => parseListenAddressOrNone('nothing'), /expected host:port.*; or none$/);
});

test('isLoopback() knows the addresses that only this machine reaches', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) assert.ok(isLoopback(host), host);
  for (const host of ['', '::', '0.0.0.0', '10.0.0.1', 'registry.example.com', '127.example.com'])
    assert.ok(!isLoopback(host), host);
});
