import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { rawFetch } from '../../../test/support/http/raw-http.ts';
import { connectRaw } from '../../../test/support/http/raw-socket.ts';
import type { MemoryRegistry } from '../../../test/support/memory/memory-registry.ts';
import { openTestDoor } from '../../../test/support/stages/test-door.ts';
import { smallRegistry } from '../../../test/support/upstream/small-registry.ts';

// What no registry client sends, and anybody may.

test('a small body on a path that takes none is passed over, and the connection goes on', async (t) => {
  const door = await openTestDoor(t, { registries: [{ registry: smallRegistry() }] });
  const socket = await connectRaw(door.port);
  const bodyBytes = 64 * 1024;
  socket.write(`POST /v2/team/app/blobs/uploads/ HTTP/1.1\r\nhost: cache\r\ncontent-length: ${bodyBytes}\r\n\r\n`);
  await socket.until(/^HTTP\/1\.1 405 .*\}$/s);
  socket.write(Buffer.alloc(bodyBytes));
  socket.write('GET /healthz HTTP/1.1\r\nhost: cache\r\n\r\n');
  assert.match(await socket.until(/ok\n$/), /HTTP\/1\.1 405 .*HTTP\/1\.1 200 /s);
  socket.socket.destroy();
});

test('the answer to a large body that is not wanted ends the connection, and arrives while the body is being sent', async (t) => {
  const door = await openTestDoor(t, { registries: [{ registry: smallRegistry() }] });
  const socket = await connectRaw(door.port);
  const bodyBytes = 64 * 1024 * 1024; // more than all buffers between client and server
  socket.write(`POST /v2/team/app/blobs/uploads/ HTTP/1.1\r\nhost: cache\r\ncontent-length: ${bodyBytes}\r\n\r\n`);
  socket.socket.pause();
  for (let sent = 0; sent < bodyBytes / 2; sent += 1024 * 1024) {
    if (!socket.socket.write(Buffer.alloc(1024 * 1024))) await once(socket.socket, 'drain');
  }
  socket.socket.resume();
  assert.match(await socket.until(/\}$/), /^HTTP\/1\.1 405 .*connection: close/s);
  socket.socket.destroy();
});

test('what is sent after a request whose answer ended the connection is not answered, nor done', async (t) => {
  const door = await openTestDoor(t, { registries: [{ registry: smallRegistry() }] });
  const socket = await connectRaw(door.port);
  const next = 'GET /healthz HTTP/1.1\r\nhost: cache\r\n\r\n';
  socket.write('POST /v2/team/app/blobs/uploads/ HTTP/1.1\r\nhost: cache\r\ntransfer-encoding: chunked\r\n\r\n');
  await socket.until(/connection: close.*\}$/s);
  socket.write(`3\r\nabc\r\n0\r\n\r\n${next}`);
  assert.deepEqual((await socket.closed).match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 405']);
  assert.deepEqual(
    (await door.events.requests(1)).map(({ status }) => status),
    [405],
  );
});

test('of requests that are sent without waiting for answers, a few are served, and with more the connection ends', async (t) => {
  const registry = smallRegistry();
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  const slow = Object.assign(Object.create(registry) as MemoryRegistry, {
    listTags: async () => {
      asked++;
      await gate.promise;
      return { tags: [], next: undefined };
    },
  });
  const door = await openTestDoor(t, { registries: [{ registry: slow }] });
  const request = 'GET /v2/team/app/tags/list HTTP/1.1\r\nhost: cache\r\n\r\n';
  const few = await connectRaw(door.port);
  few.write(request.repeat(4));
  const many = await connectRaw(door.port);
  many.write(request.repeat(500));
  assert.equal(await many.closed, '');
  assert.ok(asked <= 8, `${asked} were asked`);
  gate.resolve();
  assert.equal((await few.until(/(?:HTTP\/1\.1 200 [\s\S]*?){4}\}$/)).match(/HTTP\/1\.1 200 /g)?.length, 4);
  few.socket.destroy();
});

test('a client that waits for leave to send its body gets the answer instead, and the connection ends', async (t) => {
  const door = await openTestDoor(t, { registries: [{ registry: smallRegistry() }] });
  const socket = await connectRaw(door.port);
  const head =
    'PUT /v2/team/app/manifests/x HTTP/1.1\r\nhost: cache\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n';
  socket.write(head);
  assert.match(await socket.until(/\}$/), /^HTTP\/1\.1 405 .*connection: close/s);
  socket.socket.end();
  assert.doesNotMatch(await socket.closed, /100 Continue/);
});

test('a body on a GET is passed over; the connection goes on only when its length was told', async (t) => {
  const door = await openTestDoor(t, { registries: [{ registry: smallRegistry() }] });
  const socket = await connectRaw(door.port);
  socket.write('GET /v2/ HTTP/1.1\r\nhost: cache\r\ncontent-length: 5\r\n\r\n12345');
  await socket.until(/200 OK.*\{\}$/s);
  socket.write('GET /v2/ HTTP/1.1\r\nhost: cache\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
  assert.match(await socket.closed, /200 OK.*200 OK.*connection: close.*\{\}$/s);
});

test('a URL over 8 KiB is 400 in form, its body is passed over, and one that fits no head is refused', async (t) => {
  const door = await openTestDoor(t, { registries: [{ registry: smallRegistry() }] });
  const socket = await connectRaw(door.port);
  const path = (length: number) => `/v2/${'a'.repeat(length)}/manifests/x`;
  socket.write(`POST ${path(8200)} HTTP/1.1\r\nhost: cache\r\ncontent-length: 5\r\n\r\n12345`);
  await socket.until(/^HTTP\/1\.1 400 .*"NAME_INVALID".*\}$/s);
  socket.write('GET /healthz HTTP/1.1\r\nhost: cache\r\n\r\n');
  await socket.until(/ok\n$/);
  socket.write(`GET ${path(40_000)} HTTP/1.1\r\nhost: cache\r\n\r\n`);
  assert.match(await socket.closed, /ok\nHTTP\/1\.1 431 /);
  assert.equal((await rawFetch(`${door.url}/healthz`)).status, 200);
});

test('odd Host headers harm nothing', async (t) => {
  const registries = [{ registry: smallRegistry() }];
  const door = await openTestDoor(t, { registries, domain: 'cache.example.com' });
  const hosts = ['', '[::1]:5000', 'a:b:c', '..', '%00', '\xff', 'cache.example.com', 'x'.repeat(5000)];
  for (const host of [...hosts, '.cache.example.com']) {
    const socket = await connectRaw(door.port);
    const head = `GET /v2/team/app/tags/list HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`;
    socket.write(Buffer.from(head, 'latin1'));
    const status = /^HTTP\/1\.1 (\d+)/.exec(await socket.closed)?.[1];
    assert.equal(status, hosts.includes(host) ? '200' : '404', host.slice(0, 40));
  }
});

test('HTTP/1.0 without a Host is answered, and HTTP/1.1 without one is refused', async (t) => {
  const door = await openTestDoor(t, { registries: [{ registry: smallRegistry() }] });
  const old = await connectRaw(door.port);
  old.write('GET /v2/ HTTP/1.0\r\n\r\n');
  assert.match(await old.closed, /^HTTP\/1\.1 200 .*\{\}$/s);
  const bare = await connectRaw(door.port);
  bare.write('GET /v2/ HTTP/1.1\r\n\r\n');
  assert.match(await bare.closed, /^HTTP\/1\.1 400 /);
});

test('what is no HTTP is refused, and the door goes on', async (t) => {
  const door = await openTestDoor(t);
  for (const bytes of ['\x16\x03\x01\x00\xa5\x01\x00', 'nonsense\r\n\r\n', 'GET /v2/ HTTP/3.7\r\n\r\n']) {
    const socket = await connectRaw(door.port);
    socket.write(Buffer.from(bytes, 'latin1'));
    assert.match(await socket.closed, /^HTTP\/1\.1 400 /);
  }
  assert.equal((await rawFetch(`${door.url}/healthz`)).status, 200);
});
