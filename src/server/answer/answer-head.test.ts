import assert from 'node:assert/strict';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { writeHead } from './answer-head.ts';
import { newRecord } from './record.ts';

async function answerOf(answer: (response: ServerResponse) => void): Promise<IncomingMessage> {
  const server = createServer((_, response) => answer(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    return await new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, agent: false }, (found) => resolve(found.resume())).on('error', reject);
    });
  } finally {
    server.close();
  }
}

test('every head says what all answers of registries say, and what is set besides', async () => {
  const record = newRecord();
  record.namespace = 'ghcr.io';
  const { statusCode, headers } = await answerOf((response) => {
    response.setHeader('connection', 'close');
    writeHead({ response, record }, 404, { 'content-length': 2 });
    response.end('{}');
  });
  assert.equal(statusCode, 404);
  assert.equal(headers['docker-distribution-api-version'], 'registry/2.0');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['oci-namespace'], 'ghcr.io');
  assert.equal(headers['connection'], 'close');
  assert.equal(record.lengthBytes, 2);
});

test('a head that promises no length notes none, whatever was noted of one that could not be written', async () => {
  const record = newRecord();
  const { headers } = await answerOf((response) => {
    assert.throws(() => writeHead({ response, record }, 200, { 'content-length': 5, etag: 'a\nb' }));
    writeHead({ response, record }, 200, {});
    response.end('x');
  });
  assert.equal(headers['oci-namespace'], undefined);
  assert.equal(record.lengthBytes, undefined);
});
