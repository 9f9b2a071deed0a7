import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { loadTestConfig } from '../../../test/support/command/config-sources.ts';
import { certificates } from '../../../test/support/tls/certs.ts';
import { startLines } from './serve.ts';

/** A registry door, and no other. */
function listening(host: string, port: number) {
  return { registry: { host, port }, hosted: undefined, proxy: undefined };
}

test('startLines() tells where it listens, what it serves, where it keeps it, and how to open it', () => {
  const { config } = loadTestConfig({ yaml: 'builtinUpstreams: false\nupstreams: { docker.io: {}, ghcr.io: {} }' });
  assert.deepEqual(startLines(config, listening('127.0.0.1', 5000), '1.2.3'), [
    'Entrepot 1.2.3 listens on http://127.0.0.1:5000',
    'It serves docker.io (default), ghcr.io',
    `It keeps what it pulls in ${resolve('data')}`,
    'Only this machine can reach it. To open it to others: --listen 0.0.0.0:5000, or ENTREPOT_DOORS_REGISTRY_LISTEN',
  ]);
});

test('startLines() says nothing of opening what is open, and names the domain', () => {
  const { config } = loadTestConfig({
    yaml: 'builtinUpstreams: false\ndomain: r.example.com\ndata: /var/lib/entrepot',
  });
  for (const host of ['', '::', '0.0.0.0']) {
    assert.deepEqual(startLines(config, listening(host, 80), '1.2.3'), [
      'Entrepot 1.2.3 listens on every address of this machine, port 80 (http)',
      'It serves what is stored: no upstream is configured',
      'It keeps what it pulls in /var/lib/entrepot',
      'Each upstream has a host of its own: <alias>.r.example.com',
    ]);
  }
});

test('startLines() says where it speaks TLS', () => {
  const { cert, key } = certificates().server;
  const files = { 'door.crt': cert, 'door.key': key };
  const { config } = loadTestConfig({ yaml: 'doors: { registry: { tls: { cert: door.crt, key: door.key } } }', files });
  const firstLine = (host: string) => startLines(config, listening(host, 443), '1.2.3')[0];
  assert.equal(firstLine('127.0.0.1'), 'Entrepot 1.2.3 listens on https://127.0.0.1:443');
  assert.equal(firstLine(''), 'Entrepot 1.2.3 listens on every address of this machine, port 443 (https)');
});

test('startLines() writes an IPv6 address as URLs do', () => {
  const { config } = loadTestConfig({});
  const lines = startLines(config, listening('::1', 5000), '1.2.3').join('\n');
  assert.match(lines, /listens on http:\/\/\[::1\]:5000\n/);
  assert.match(lines, /Only this machine can reach it/);
});

test('startLines() tells where to push, and under what name it stays', () => {
  const hosted = { host: '127.0.0.1', port: 5001 };
  const last = (yaml: string, address = hosted) =>
    startLines(loadTestConfig({ yaml }).config, { ...listening('', 80), hosted: address }, '1.2.3').at(-1);
  assert.equal(last(''), 'What is pushed to http://127.0.0.1:5001 stays here, as localhost:5001/…');
  assert.equal(last('hosted: { names: [] }'), 'What is pushed to http://127.0.0.1:5001 stays here');
  assert.equal(
    last('hosted: { names: [r.test] }', { host: '', port: 81 }),
    'What is pushed to every address of this machine, port 81 (http) stays here, as r.test/…',
  );
});
