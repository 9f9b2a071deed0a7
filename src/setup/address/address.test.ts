import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostAndPort, hostOf, isLoopbackHost, parseAddress } from './address.ts';
import { registryAddress } from './request-address.ts';

const plain = { scheme: 'http', port: 5000 } as const;
const overTls = { scheme: 'https', port: 5443 } as const;

test('an address is taken with a scheme or without, and nothing else', () => {
  for (const [text, address] of [
    ['cache.lan:5000', 'http://cache.lan:5000'],
    ['cache.lan:80', 'http://cache.lan:80'],
    ['https://Cache.LAN', 'https://cache.lan'],
    ['http://cache.lan/', 'http://cache.lan'],
    ['HTTP://10.0.0.5:5000/', 'http://10.0.0.5:5000'],
    ['[fd00::7]:5000', 'http://[fd00::7]:5000'],
  ] as const) {
    assert.deepEqual(parseAddress(text, plain), { url: address, hasDoorsPort: false });
  }
  assert.equal(parseAddress('cache.lan:5000', overTls).url, 'https://cache.lan:5000');
  for (const text of [
    '',
    'http://',
    'cache.lan:99999',
    'cache.lan/x',
    'ftp://a',
    'a b',
    "a'b",
    'u@a',
    '$(id)',
    'a\nb',
  ]) {
    assert.throws(() => parseAddress(text, plain), { code: 'BAD_ADDRESS' }, text);
  }
});

// It was port 80: the files of the clients pointed to where nothing was.
test('a host alone has the port of the door', () => {
  for (const [text, door, url] of [
    ['10.0.0.1', plain, 'http://10.0.0.1:5000'],
    ['Cache.lan/', overTls, 'https://cache.lan:5443'],
    ['[fd00::7]', plain, 'http://[fd00::7]:5000'],
  ] as const) {
    assert.deepEqual(parseAddress(text, door), { url, hasDoorsPort: true });
  }
  const anyPort = { scheme: 'http', port: 0 } as const;
  assert.throws(() => parseAddress('10.0.0.1', anyPort), /^SetupError: Cannot tell the port of "10\.0\.0\.1": /);
  assert.equal(parseAddress('http://10.0.0.1', anyPort).url, 'http://10.0.0.1');
});

test('the parts of an address are its host, with a port or without', () => {
  assert.equal(hostAndPort('https://[fd00::7]:5000'), '[fd00::7]:5000');
  assert.equal(hostOf('https://[fd00::7]:5000'), '[fd00::7]');
  assert.equal(hostOf('http://cache.lan'), 'cache.lan');
  for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '::1', '[::1]']) assert.ok(isLoopbackHost(host), host);
  for (const host of ['', '127.example.com', '10.0.0.1', '::']) assert.ok(!isLoopbackHost(host), host);
});

test('a client is told the address that it came to, at whatever door', () => {
  const way = { host: 'cache.lan:8080', forwardedProto: undefined, localAddress: '10.0.0.5', localPort: 5000 };
  const plain = { port: 5000, isTls: false };
  assert.equal(registryAddress(way, plain), 'http://cache.lan:8080');
  assert.equal(registryAddress({ ...way, localPort: 3128 }, plain), 'http://cache.lan:5000');
  assert.equal(registryAddress(way, { port: 5000, isTls: true }), 'https://cache.lan:8080');
  assert.equal(registryAddress({ ...way, forwardedProto: 'https, http' }, plain), 'https://cache.lan:8080');
  assert.equal(registryAddress({ ...way, forwardedProto: 'httpsx' }, plain), 'http://cache.lan:8080');
  assert.equal(registryAddress({ ...way, forwardedProto: 'https', localPort: 1 }, plain), 'http://cache.lan:5000');
  for (const [localAddress, address] of [
    ['::ffff:10.0.0.5', 'http://10.0.0.5:5000'],
    ['fe80::1%eth0', 'http://[fe80::1]:5000'],
    [undefined, 'http://localhost:5000'],
  ] as const) {
    assert.equal(registryAddress({ ...way, host: 'a"b', localAddress }, plain), address);
  }
});
