import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { rawFetch } from '../../../test/support/http/raw-http.ts';
import { openTestDoor } from '../../../test/support/stages/test-door.ts';
import { createThroughput } from './throughput.ts';

const limits = { maxBytes: 1_000_000, maxConcurrent: 2 };

test('/throughput says what is allowed, sends as many bytes as are asked for, and counts what it is sent', async (t) => {
  const { url } = await openTestDoor(t, { throughput: createThroughput(limits) });
  const said = await rawFetch(`${url}/throughput`);
  assert.deepEqual([said.status, JSON.parse(said.body.toString())], [200, { ...limits, maxMs: 10_000 }]);
  for (const count of [1, 65_536, 65_537, 1_000_000]) {
    const { status, headers, body } = await rawFetch(`${url}/throughput?bytes=${count}`);
    assert.deepEqual([status, body.length, headers['cache-control']], [200, count, 'no-store']);
  }
  for (const method of ['POST', 'PUT']) {
    const { status, body } = await rawFetch(`${url}/throughput`, { method, body: Buffer.alloc(200_000) });
    const { receivedBytes, ms } = JSON.parse(body.toString());
    assert.deepEqual([status, receivedBytes], [200, 200_000]);
    assert.ok(ms >= 0);
  }
});

test('what is more than may be, or no number, is refused, and so is every other method', async (t) => {
  const { url } = await openTestDoor(t, { throughput: createThroughput(limits) });
  for (const asked of ['1000001', '0', '-1', '1e3', 'many', '']) {
    const { status, body } = await rawFetch(`${url}/throughput?bytes=${asked}`);
    assert.deepEqual([status, JSON.parse(body.toString()).errors[0].code], [400, 'SIZE_INVALID'], asked);
  }
  const large = await rawFetch(`${url}/throughput`, { method: 'POST', body: Buffer.alloc(1_000_001) });
  assert.deepEqual([large.status, JSON.parse(large.body.toString()).errors[0].code], [413, 'SIZE_INVALID']);
  const other = await rawFetch(`${url}/throughput`, { method: 'DELETE' });
  assert.deepEqual([other.status, other.headers['allow']], [405, 'GET, POST, PUT']);
});

test('a body of no known size is read no further than may be', async (t) => {
  const { port } = await openTestDoor(t, { throughput: createThroughput(limits) });
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.write('POST /throughput HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
  const piece = Buffer.alloc(100_000);
  for (let sent = 0; sent <= 1_000_000; sent += piece.length) {
    socket.write(`${piece.length.toString(16)}\r\n`);
    socket.write(piece);
    socket.write('\r\n');
  }
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 413 /);
});

test('no more than so many are measured at a time, and a client that leaves makes room', async (t) => {
  const { url, port } = await openTestDoor(t, { throughput: createThroughput(limits) });
  const sockets = [1, 2].map(() => connect(port, '127.0.0.1'));
  for (const socket of sockets) {
    t.after(() => socket.destroy());
    socket.write('POST /throughput HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n');
    await once(socket, 'data'); // "100 Continue": it is being read
  }
  const refused = await rawFetch(`${url}/throughput?bytes=1`);
  assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '1']);
  assert.equal((await rawFetch(`${url}/throughput`)).status, 200); // saying what is allowed takes no place
  sockets[0]?.write('0123456789');
  await once(sockets[0]!, 'data');
  assert.equal((await rawFetch(`${url}/throughput?bytes=1`)).status, 200);
  sockets[1]?.end('0123456789');
  await once(sockets[1]!, 'data');
});

test('a client that takes too long to read or to send holds no place for longer than it may', async (t) => {
  const throughput = createThroughput({ maxBytes: 1e9, maxConcurrent: 1 }, 100);
  const { url, port, events } = await openTestDoor(t, { throughput });
  const sender = connect(port, '127.0.0.1');
  sender.on('error', () => {});
  sender.write('POST /throughput HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234');
  assert.equal(await text(sender).catch(() => ''), '');
  await events.waitFor('request', 1);
  const reader = connect(port, '127.0.0.1');
  t.after(() => reader.destroy());
  reader.write('GET /throughput?bytes=1000000000 HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(reader, 'readable'); // it reads no further
  let status = 503;
  while (status === 503) ({ status } = await rawFetch(`${url}/throughput?bytes=1`));
  assert.equal(status, 200);
});

test('where it is switched off, there is no such path', async (t) => {
  const { url } = await openTestDoor(t);
  assert.equal((await rawFetch(`${url}/throughput?bytes=1`)).status, 404);
});
