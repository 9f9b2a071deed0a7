import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { tlsReason } from './tls-reason.ts';

test('a server without TLS is called that', async (t) => {
  const server = createServer((_, response) => response.end()).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;

  const error = await new Promise<Error>((resolve) => request({ host: '127.0.0.1', port }).on('error', resolve).end());

  assert.equal(tlsReason(error.message), 'it answers without TLS');
});

test('of another failure of TLS its reason is left, and what is none stays as it is', () => {
  const alert = '00AB:error:0A000410:SSL routines:ssl3_read_bytes:ssl/tls alert handshake failure:../ssl/record.c:9:';
  assert.equal(tlsReason(alert), 'ssl/tls alert handshake failure');
  assert.equal(tlsReason('connect ECONNREFUSED 127.0.0.1:1'), 'connect ECONNREFUSED 127.0.0.1:1');
});
