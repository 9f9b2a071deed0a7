import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hostOf, isLoopback, portOf, proxyFromEnvironment } from './proxy-env.ts';

const proxy = 'http://proxy.test:3128';

/** The proxy that a URL is fetched through, as text; undefined for none. */
function proxyOf(env: Record<string, string>, url: string): string | undefined {
  return proxyFromEnvironment(env)(new URL(url))?.origin;
}

describe('which proxy', () => {
  test('none, without variables or with empty ones', () => {
    assert.equal(proxyOf({}, 'https://r.test'), undefined);
    assert.equal(proxyOf({ HTTPS_PROXY: '', https_proxy: '' }, 'https://r.test'), undefined);
  });

  test('HTTPS_PROXY for HTTPS, HTTP_PROXY for HTTP', () => {
    const env = { HTTP_PROXY: 'http://plain.test:1', HTTPS_PROXY: 'http://secure.test:2' };
    assert.equal(proxyOf(env, 'http://r.test'), 'http://plain.test:1');
    assert.equal(proxyOf(env, 'https://r.test'), 'http://secure.test:2');
    assert.equal(proxyOf({ HTTP_PROXY: proxy }, 'https://r.test'), undefined);
    assert.equal(proxyOf({ HTTPS_PROXY: proxy }, 'http://r.test'), undefined);
  });

  test('the lower-case variable before the upper-case one, as curl and Go have it', () => {
    assert.equal(proxyOf({ https_proxy: proxy, HTTPS_PROXY: 'http://other.test:1' }, 'https://r.test'), proxy);
    assert.equal(proxyOf({ https_proxy: '', HTTPS_PROXY: proxy }, 'https://r.test'), proxy);
    const bypass = { HTTPS_PROXY: proxy, no_proxy: 'a.test', NO_PROXY: 'b.test' };
    assert.equal(proxyOf(bypass, 'https://a.test'), undefined);
    assert.equal(proxyOf(bypass, 'https://b.test'), proxy);
  });

  test('a proxy without a scheme is one of HTTP', () => {
    assert.equal(proxyOf({ HTTPS_PROXY: 'proxy.test:3128' }, 'https://r.test'), proxy);
  });

  test('the user and password of the proxy’s URL are kept', () => {
    const choice = proxyFromEnvironment({ HTTPS_PROXY: 'http://u:p%40ss@proxy.test:3128' })(new URL('https://r.test'));
    assert.deepEqual([choice?.username, choice?.password], ['u', 'p%40ss']);
  });

  test('a variable that is no proxy’s URL is told by its name, and its value, which may hold a password, is not', () => {
    for (const value of ['socks5://u:hunter2@proxy.test', 'http://u:hunter2@:bad', 'ftp://hunter2.test']) {
      for (const name of ['HTTP_PROXY', 'HTTPS_PROXY']) {
        assert.throws(
          () => proxyFromEnvironment({ [name]: value }),
          (error) =>
            error instanceof Error &&
            error.message.includes(name) &&
            !JSON.stringify(error.message).includes('hunter2'),
        );
      }
    }
  });
});

// NO_PROXY, then a URL that is fetched directly (-) or through the proxy (+).
const bypasses: readonly (readonly [noProxy: string, url: string, '-' | '+'])[] = [
  ['r.test', 'https://r.test', '-'],
  ['r.test', 'https://r.test:5000', '-'],
  ['R.Test', 'https://r.test', '-'],
  ['r.test', 'https://R.TEST', '-'],
  ['r.test', 'https://a.b.r.test', '-'],
  ['.r.test', 'https://a.r.test', '-'],
  ['*.r.test', 'https://a.r.test', '-'],
  ['r.test', 'https://notr.test', '+'],
  ['.r.test', 'https://notr.test', '+'],
  ['r.test', 'https://r.test.evil.example', '+'],
  ['a.r.test', 'https://r.test', '+'],
  ['r.test:5000', 'https://r.test:5000', '-'],
  ['r.test:5000', 'https://r.test', '+'],
  ['r.test:443', 'https://r.test', '-'],
  ['r.test:80', 'http://r.test', '-'],
  ['r.test:443', 'http://r.test', '+'],
  ['.r.test:5000', 'https://a.r.test:5000', '-'],
  ['*', 'https://anything.test', '-'],
  ['a.test,*', 'https://anything.test', '-'],
  ['a.test,b.test', 'https://b.test', '-'],
  ['a.test b.test', 'https://b.test', '-'],
  [' a.test ,\tb.test ,, ', 'https://b.test', '-'],
  ['a.test,b.test', 'https://c.test', '+'],
  [' , ', 'https://c.test', '+'],
  ['10.0.0.7', 'https://10.0.0.7:5000', '-'],
  ['10.0.0.7', 'https://10.0.0.8', '+'],
  ['10.0.0.7:5000', 'https://10.0.0.7:5000', '-'],
  ['10.0.0.7:5000', 'https://10.0.0.7', '+'],
  ['10.0.0.0/8', 'https://10.200.3.4', '-'],
  ['10.0.0.0/8', 'https://11.0.0.1', '+'],
  ['192.168.1.0/25', 'https://192.168.1.127', '-'],
  ['192.168.1.0/25', 'https://192.168.1.128', '+'],
  ['0.0.0.0/0', 'https://8.8.8.8', '-'],
  ['0.0.0.0/0', 'https://r.test', '+'],
  ['10.0.0.0/99', 'https://10.0.0.1', '+'],
  ['fd00::/8', 'https://[fd12::1]', '-'],
  ['fd00::/8', 'https://[fe80::1]', '+'],
  ['fd12::1', 'https://[fd12::1]:5000', '-'],
  ['[fd12::1]', 'https://[fd12::1]', '-'],
  ['[fd12::1]:5000', 'https://[fd12::1]:5000', '-'],
  ['[fd12::1]:5000', 'https://[fd12::1]', '+'],
  ['', 'https://127.0.0.1:5000', '-'],
  ['', 'https://127.8.8.8', '-'],
  ['', 'https://[::1]:5000', '-'],
  ['', 'https://localhost:5000', '-'],
  ['', 'https://cache.localhost', '-'],
  ['', 'https://localhost.test', '+'],
  ['', 'https://128.0.0.1', '+'],
];

describe('what NO_PROXY and loopback keep from the proxy', () => {
  for (const [noProxy, url, way] of bypasses) {
    test(`"${noProxy}" has ${url} fetched ${way === '-' ? 'directly' : 'through the proxy'}`, () => {
      const env = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: noProxy };
      assert.equal(proxyOf(env, url), way === '-' ? undefined : proxy);
    });
  }
});

test('the host of a URL has no brackets, and the port is the protocol’s where none is named', () => {
  assert.equal(hostOf(new URL('https://[fd12::1]:5000')), 'fd12::1');
  assert.equal(hostOf(new URL('https://r.test:5000')), 'r.test');
  const ports = ['https://r.test', 'http://r.test', 'https://r.test:80', 'http://[::1]:5000'].map((url) =>
    portOf(new URL(url)),
  );
  assert.deepEqual(ports, [443, 80, 80, 5000]);
});

test('loopback is this machine by any of its addresses and names', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost', 'a.localhost']) assert.ok(isLoopback(host), host);
  for (const host of ['128.0.0.1', '::2', '10.0.0.1', 'mylocalhost', 'localhost.test']) {
    assert.ok(!isLoopback(host), host);
  }
});
