import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { knownHosts } from './browsers.ts';

describe('knownHosts()', () => {
  const isKnown = knownHosts(['images.example.com:5001', '[fd00::7]:5001'], 'cache.corp');
  const rows: readonly (readonly [host: string | undefined, expected: boolean])[] = [
    ['localhost', true],
    ['LocalHost.:5001', true],
    ['registry.localhost:5000', true],
    ['127.0.0.1:5001', true],
    ['192.168.1.5', true],
    ['[::1]:5001', true],
    ['[fd00::7]', true],
    ['images.example.com', true],
    ['Images.Example.com:8080', true],
    ['cache.corp:5000', true],
    ['ghcr.io.cache.corp', true],
    [undefined, true],
    ['evil.example', false],
    ['evil.example:5001', false],
    ['localhost.evil.example:5001', false],
    ['evillocalhost', false],
    ['127.0.0.1.evil.example', false],
    ['images.example.com.evil.example', false],
    ['evilcache.corp', false],
    ['[::1', false],
    ['[::1].evil.example', false],
    ['', false],
  ];
  for (const [host, expected] of rows) {
    test(`${JSON.stringify(host)} is ${expected ? 'known' : 'not known'}`, () => assert.equal(isKnown(host), expected));
  }
});
