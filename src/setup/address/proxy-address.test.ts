import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyAddress } from './proxy-address.ts';

const open = { listen: { host: '', port: 3128 }, isLocal: false, host: 'cache.lan:5000', localAddress: '10.0.0.7' };
const of = (options: Partial<Parameters<typeof proxyAddress>[0]>) => proxyAddress({ ...open, ...options });

test('the proxy is where the client has found this machine, at the port of the proxy door', () => {
  assert.deepEqual(of({}), { proxy: 'http://cache.lan:3128', note: undefined });
  assert.equal(of({ host: 'cache.lan' }).proxy, 'http://cache.lan:3128');
  assert.equal(of({ host: '10.0.0.7:5000' }).proxy, 'http://10.0.0.7:3128');
  assert.equal(of({ host: '[fd00::7]:5000' }).proxy, 'http://[fd00::7]:3128');
});

test('a proxy that only its own machine reaches is there, and that is said', () => {
  const { proxy, note } = of({ listen: { host: '127.0.0.1', port: 3128 }, isLocal: true });
  assert.equal(proxy, 'http://127.0.0.1:3128');
  assert.match(note ?? '', /no other machine reaches it/);
  assert.equal(of({ listen: { host: '::1', port: 3128 }, isLocal: true }).proxy, 'http://[::1]:3128');
});

test('without a name that can be used it is an address of this machine', () => {
  for (const host of [undefined, '', "a'b", 'a b', '$(id)', 'user@cache.lan', 'cache.lan:x', 'a\nb', '-a', '[::1']) {
    assert.equal(of({ host }).proxy, 'http://10.0.0.7:3128', host);
    assert.equal(of({ host, listen: { host: '10.0.0.8', port: 1 } }).proxy, 'http://10.0.0.8:1', host);
  }
  assert.equal(of({ host: '', localAddress: '::ffff:10.0.0.7' }).proxy, 'http://10.0.0.7:3128');
  assert.equal(of({ host: '', localAddress: 'fe80::7%eth0' }).proxy, 'http://[fe80::7]:3128');
  assert.equal(of({ host: '', localAddress: undefined }).proxy, 'http://localhost:3128');
});
