import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rawFetch } from '../../../test/support/http/raw-http.ts';
import { connectRaw } from '../../../test/support/http/raw-socket.ts';
import { MemoryRegistry } from '../../../test/support/memory/memory-registry.ts';
import { openTestDoor } from '../../../test/support/stages/test-door.ts';
import { blob, blobPath, smallRegistry } from '../../../test/support/upstream/small-registry.ts';
import { digestOf } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { BlobContent, Registry } from '../../oci/registry.ts';
import { systemClock } from '../../util/time/clock.ts';
import { openDoor } from './door.ts';

/** A registry in which one method is another. */
function registryWith(methods: Partial<Registry>): Registry {
  return Object.assign(new MemoryRegistry(), methods);
}

/** A registry whose manifests never come; it tells when they have been asked for so many times. */
function waitingRegistry(count = 1) {
  const asked = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  let waiting = 0;
  const registry = registryWith({
    getManifest: (_repository, _reference, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          stopped.resolve();
          reject(signal.reason);
        });
        if (++waiting === count) asked.resolve();
      }),
  });
  return { registry, asked: asked.promise, stopped: stopped.promise };
}

test('a failure of our own is 500 without details, and the log has all of them', async (t) => {
  const failure = new TypeError('Cannot read the password of "hunter2"');
  const registry = registryWith({
    getManifest: async () => {
      throw failure;
    },
  });
  const door = await openTestDoor(t, { registries: [{ registry }] });
  const { status, body } = await rawFetch(`${door.url}/v2/team/app/manifests/latest`);
  assert.equal(status, 500);
  assert.deepEqual(JSON.parse(body.toString()), {
    errors: [{ code: 'INTERNAL', message: 'Something failed here; the log says what' }],
  });
  const event = await door.events.waitFor('request');
  assert.equal(event.level, 'error');
  assert.equal(event.facts['error'], failure.message);
  assert.equal(event.facts['err'], failure, 'under the key of which a pino log writes the stack');
});

test('an error whose headers cannot be sent is answered all the same', async (t) => {
  const registry = registryWith({
    getManifest: async () => {
      throw new RegistryError('TOOMANYREQUESTS', 'Too many', { headers: { 'retry-after': 'in a \u0001 while' } });
    },
  });
  const door = await openTestDoor(t, { registries: [{ registry }] });
  const { status, body } = await rawFetch(`${door.url}/v2/team/app/manifests/latest`);
  assert.equal(status, 500);
  assert.match(body.toString(), /"INTERNAL"/);
  assert.equal((await rawFetch(`${door.url}/healthz`)).status, 200);
});

test('a client that leaves before its answer began is 499, with its address, and the work for it is stopped', async (t) => {
  const { registry, asked, stopped } = waitingRegistry();
  const door = await openTestDoor(t, { registries: [{ registry }] });
  const client = new AbortController();
  const gone = new Error('gone');
  const answer = rawFetch(`${door.url}/v2/team/app/manifests/latest`, { signal: client.signal });
  await asked;
  client.abort(gone);
  await assert.rejects(answer, gone);
  await stopped;
  const [facts] = await door.events.requests(1);
  assert.equal(facts?.['status'], 499);
  assert.equal(facts['bytes'], 0);
  assert.equal(facts['client'], '127.0.0.1');
  assert.equal(facts['reference'], 'latest');
  assert.equal((await door.scrape()).sum('entrepot_requests_total', { status: '499', route: 'manifest' }), 1);
});

test('a client that leaves is noticed while a body that nobody wants of it is on its way', async (t) => {
  const { registry, asked } = waitingRegistry();
  const door = await openTestDoor(t, { registries: [{ registry }] });
  const socket = await connectRaw(door.port);
  socket.write('GET /v2/team/app/manifests/latest HTTP/1.1\r\nhost: cache\r\ncontent-length: 99999999\r\n\r\n');
  socket.write(Buffer.alloc(1024 * 1024));
  await asked;
  socket.socket.destroy();
  const [facts] = await door.events.requests(1);
  assert.equal(facts?.['status'], 499);
});

test('a body that breaks off here breaks the connection, and is logged with what broke it, not as a client that left', async (t) => {
  const content: BlobContent = {
    ...{ sizeBytes: 100, start: 0, end: 100, close() {} },
    next: async () => {
      throw new RegistryError('UNAVAILABLE', 'Upstream ended short');
    },
  };
  const door = await openTestDoor(t, { registries: [{ registry: registryWith({ getBlob: async () => content }) }] });
  await assert.rejects(rawFetch(door.url + blobPath), { code: 'ECONNRESET' });
  const [facts] = await door.events.requests(1);
  assert.equal(facts?.['status'], 502);
  assert.equal(facts['error'], 'Upstream ended short');
});

test('the bytes of a request are those of its body: none for HEAD and 304, the part of a range', async (t) => {
  const door = await openTestDoor(t, { registries: [{ registry: smallRegistry() }] });
  const socket = await connectRaw(door.port);
  const ask = (method: string, headers = '') =>
    socket.write(`${method} ${blobPath} HTTP/1.1\r\nhost: cache\r\n${headers}\r\n`);
  // On one connection, so that what was written for one request is not counted for the next.
  const rows: readonly (readonly [method: string, headers: string, status: number, bytes: number])[] = [
    ['GET', '', 200, blob.length],
    ['HEAD', '', 200, 0],
    ['GET', 'range: bytes=10-19\r\n', 206, 10],
    ['GET', `if-none-match: "${digestOf(blob)}"\r\n`, 304, 0],
  ];
  for (const [index, [method, headers]] of rows.entries()) {
    ask(method, headers);
    await door.events.waitFor('request', index + 1);
  }
  const logged = (await door.events.requests(rows.length)).map((facts) => [facts['status'], facts['bytes']]);
  assert.deepEqual(
    logged,
    rows.map(([, , status, bytes]) => [status, bytes]),
  );
  const scrape = await door.scrape();
  assert.equal(scrape.sum('entrepot_served_bytes_total', { registry: 'origin.test' }), blob.length + 10);
  socket.socket.destroy();
});

test('requests that come together on one connection are answered in their order', async (t) => {
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const held = smallRegistry();
  const registry = registryWith({
    getManifest: async (repository, reference, signal) => {
      if (reference === 'latest') await first.promise;
      else second.resolve();
      return held.getManifest(repository, reference, signal);
    },
  });
  const door = await openTestDoor(t, { registries: [{ registry }] });
  const socket = await connectRaw(door.port);
  const ask = (path: string) => `GET ${path} HTTP/1.1\r\nhost: cache\r\n\r\n`;
  socket.write(ask('/v2/team/app/manifests/latest') + ask('/v2/team/app/manifests/none') + ask('/v2/'));
  await second.promise;
  assert.equal(socket.text, '');
  first.resolve();
  const text = await socket.until(/\{\}$/);
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200']);
  socket.socket.destroy();
});

test('of a client that leaves, every request that came is given up and logged, also those that waited their turn', async (t) => {
  const { registry, asked } = waitingRegistry(2);
  const door = await openTestDoor(t, { registries: [{ registry }] });
  const socket = await connectRaw(door.port);
  socket.write('GET /v2/team/app/manifests/a HTTP/1.1\r\nhost: cache\r\n\r\n'.repeat(2));
  await asked;
  socket.socket.destroy();
  const requests = await door.events.requests(2);
  assert.deepEqual(
    requests.map((facts) => facts['status']),
    [499, 499],
  );
});

test('openDoor() rejects when the address is taken', async (t) => {
  const door = await openTestDoor(t);
  await assert.rejects(
    openDoor({ host: '127.0.0.1', port: door.port }, () => {}, {
      name: 'registry',
      log: door.events,
      clock: systemClock,
    }),
    { code: 'EADDRINUSE' },
  );
});
