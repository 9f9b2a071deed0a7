import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAuthority, parseHost, parsePlace } from './target.ts';

test('CONNECT names one host and one port', () => {
  assert.deepEqual(parseAuthority('ghcr.io:443'), { host: 'ghcr.io', port: 443 });
  assert.deepEqual(parseAuthority('GHCR.io.:443'), { host: 'ghcr.io', port: 443 });
  assert.deepEqual(parseAuthority('10.1.2.3:5000'), { host: '10.1.2.3', port: 5000 });
  assert.deepEqual(parseAuthority('[2001:DB8::1]:443'), { host: '2001:db8::1', port: 443 });
  assert.deepEqual(parseAuthority('registry_1.corp:8443'), { host: 'registry_1.corp', port: 8443 });
});

test('what is not host and port to the last character is none', () => {
  const wrong = [
    ...[
      '',
      'ghcr.io',
      ':443',
      'ghcr.io:',
      'ghcr.io:0',
      'ghcr.io:65536',
      'ghcr.io:443:443',
      'ghcr.io:443/',
      'ghcr.io:4 43',
    ],
    ...[
      'user@ghcr.io:443',
      'https://ghcr.io:443',
      'ghcr.io:443\r\nHost: x',
      'ghcr..io:443',
      '-ghcr.io:443',
      'ghcr.io :443',
    ],
    ...[
      '[::1:443',
      '::1:443',
      '[ghcr.io]:443',
      '[::1%25lo]:443',
      'ghcr.io:+443',
      'ghcr.io:0x1bb',
      `${'a'.repeat(64)}.io:443`,
    ],
  ];
  for (const text of wrong) assert.equal(parseAuthority(text), undefined, JSON.stringify(text));
});

test('an address in a notation that only some know is no host', () => {
  for (const text of ['127.1', '2130706433', '0x7f000001', '0177.0.0.1', '127.0.0.1.', '1.2.3', '0x7f.1']) {
    assert.equal(parseHost(text), undefined, text);
  }
});

test('a host without a port has the usual one, and none but that is left out', () => {
  assert.deepEqual(parsePlace('GHCR.io', 443), { host: 'ghcr.io', port: 443 });
  assert.deepEqual(parsePlace('ghcr.io:5000', 443), { host: 'ghcr.io', port: 5000 });
  assert.deepEqual(parsePlace('[2001:DB8::1]', 80), { host: '2001:db8::1', port: 80 });
  for (const text of ['', ':443', 'ghcr.io:', 'ghcr.io:0', 'ghcr.io:443:443', '[::1', '::1', 'a b']) {
    assert.equal(parsePlace(text, 443), undefined, JSON.stringify(text));
  }
});
