import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededBytes } from '../../../test/support/content/images.ts';
import { rawFetch } from '../../../test/support/http/raw-http.ts';
import { connectRaw } from '../../../test/support/http/raw-socket.ts';
import { MemoryRegistry } from '../../../test/support/memory/memory-registry.ts';
import { endless, endlessMs, openTestDoor } from '../../../test/support/stages/test-door.ts';
import { blob, blobPath, smallRegistry } from '../../../test/support/upstream/small-registry.ts';
import { digestOf } from '../../oci/digest.ts';
import { defaultDoorLimits } from './door-limits.ts';

// Clients that hold on to connections. The limit under test is short, all others are so long that a test which meets
// one of them fails by its own time limit.
const shortMs = 60;
const shortHead = { limits: { ...endless, headMs: shortMs } };

const ping = 'GET /v2/ HTTP/1.1\r\nhost: cache\r\n\r\n';

/** Sends a byte for every few bytes of time, until the server has enough of it. */
async function trickle(port: number, head: string, byte: string): Promise<string> {
  const socket = await connectRaw(port);
  socket.write(head);
  const timer = setInterval(() => socket.write(byte), shortMs / 10);
  const text = await socket.closed;
  clearInterval(timer);
  return text;
}

for (const [what, sent] of [
  ['says nothing', ''],
  ['sends half a request line', 'GET /v2/ HT'],
  ['never ends its head', 'GET /v2/ HTTP/1.1\r\nhost: cache\r\n'],
] as const) {
  test(`a client that connects and ${what} is ended after the limit of a head`, async (t) => {
    const door = await openTestDoor(t, shortHead);
    const socket = await connectRaw(door.port);
    if (sent !== '') socket.write(sent);
    assert.match(await socket.closed, /^HTTP\/1\.1 408 /);
  });
}

test('a head that comes byte by byte is ended after the same limit, however steadily it comes', async (t) => {
  const door = await openTestDoor(t, shortHead);
  assert.match(await trickle(door.port, 'GET /v2/ HTTP/1.1\r\nx: ', 'a'), /^HTTP\/1\.1 408 /);
  assert.match(await trickle(door.port, '', '\r\n'), /^HTTP\/1\.1 408 /);
});

test('half a request after a whole one is ended after the limit of a head', async (t) => {
  const door = await openTestDoor(t, shortHead);
  const socket = await connectRaw(door.port);
  socket.write(`${ping}GET /v2/ HTTP/1.1\r\n`);
  const text = await socket.closed;
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 408']);
});

test('a body that comes byte by byte is ended after the limit of a request, and the answer stands', async (t) => {
  const door = await openTestDoor(t, { limits: { ...endless, headMs: shortMs, requestMs: shortMs } });
  const head = 'GET /v2/ HTTP/1.1\r\nhost: cache\r\ncontent-length: 1000000\r\n\r\n';
  assert.match(await trickle(door.port, head, 'a'), /^HTTP\/1\.1 200 .*\{\}/s);
});

test('a connection that was used is ended when no request follows, and one that was not is not', async (t) => {
  const door = await openTestDoor(t, { limits: { ...endless, keepAliveMs: shortMs } });
  const unused = await connectRaw(door.port);
  const used = await connectRaw(door.port);
  used.write(ping);
  assert.match(await used.closed, /^HTTP\/1\.1 200 .*\{\}$/s);
  unused.write(ping);
  await unused.until(/\{\}$/);
  await unused.closed;
});

test('a client that stops reading is ended after the limit of idleness', async (t) => {
  const registry = new MemoryRegistry();
  const large = seededBytes('large', 24 * 1024 * 1024); // far more than the system's own buffers hold
  registry.content.putBlob('team/app', large);
  const digest = digestOf(large); // now: it takes longer than a connection may be idle
  const door = await openTestDoor(t, { registries: [{ registry }], limits: { ...endless, idleMs: shortMs } });
  const socket = await connectRaw(door.port);
  socket.write(`GET /v2/team/app/blobs/${digest} HTTP/1.1\r\nhost: cache\r\n\r\n`);
  await socket.until(/\r\n\r\n/);
  socket.socket.pause();
  const [facts] = await door.events.requests(1);
  assert.equal(facts?.['status'], 499);
  socket.socket.resume();
  assert.ok((await socket.closed).length < large.length);
});

test('an answer that takes longer than head and body of its request may goes on', async (t) => {
  const asked = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const registry = Object.assign(smallRegistry(), {
    listTags: async () => {
      asked.resolve();
      await held.promise;
      return { tags: ['late'], next: undefined };
    },
  });
  const limits = { ...endless, headMs: shortMs, requestMs: shortMs, keepAliveMs: shortMs };
  const door = await openTestDoor(t, { registries: [{ registry }], limits });
  const slow = await connectRaw(door.port);
  slow.write('GET /v2/team/app/tags/list HTTP/1.1\r\nhost: cache\r\n\r\n');
  await asked.promise;
  // Whoever begins now and is ended has been looked at later than the one that waits.
  await (await connectRaw(door.port)).closed;
  held.resolve();
  assert.match(await slow.until(/late/), /^HTTP\/1\.1 200 /);
});

for (const [what, request] of [
  ['one header without end', `GET /v2/ HTTP/1.1\r\nx: ${'a'.repeat(1_000_000)}\r\n\r\n`],
  ['a hundred thousand headers', `GET /v2/ HTTP/1.1\r\n${'x-a: b\r\n'.repeat(100_000)}\r\n`],
  ['thousands of headers that are nearly empty', `GET /v2/ HTTP/1.1\r\n${'a:\r\n'.repeat(3_500)}\r\n`],
  ['a URL without end', `GET /v2/${'a'.repeat(1_000_000)} HTTP/1.1\r\n\r\n`],
  ['a header name without end', `GET /v2/ HTTP/1.1\r\n${'a'.repeat(1_000_000)}`],
] as const) {
  test(`${what} is 431, and the end of the connection`, async (t) => {
    const door = await openTestDoor(t);
    const socket = await connectRaw(door.port);
    socket.write(request);
    // The end may come as a reset while the client still writes, and a reset may take the answer with it.
    assert.match(await socket.closed, /^(HTTP\/1\.1 431 |$)/);
    assert.equal((await rawFetch(`${door.url}/healthz`)).status, 200);
  });
}

test('what could be read as two different requests is refused, and its connection ended', async (t) => {
  const door = await openTestDoor(t);
  const start = 'GET /v2/ HTTP/1.1\r\nhost: cache\r\n';
  for (const rest of [
    'content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    'content-length: 5\r\ncontent-length: 6\r\n\r\n123456',
    'transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n',
    'x: a\r\n b\r\n\r\n',
    'content-length: -1\r\n\r\n',
    'content-length: 99999999999999999999999\r\n\r\n',
  ]) {
    const socket = await connectRaw(door.port);
    socket.write(`${start}${rest}`);
    assert.match(await socket.closed, /HTTP\/1\.1 400 [^\n]*\r\nConnection: close\r\n\r\n$/, rest);
  }
});

const tooMany = Array.from({ length: 400 }, (_, at) => `${at * 10}-${at * 10 + 1}`).join(',');
for (const [range, status, start, end] of [
  ['bytes=0-0', 206, 0, 1],
  ['bytes=99999-99999', 206, 99_999, 100_000],
  ['bytes=99999-', 206, 99_999, 100_000],
  ['bytes=-1', 206, 99_999, 100_000],
  ['bytes=0-9007199254740993', 206, 0, 100_000],
  ['bytes=0-99999999999999999999999999999', 206, 0, 100_000],
  ['bytes=-99999999999999999999999999999', 206, 0, 100_000],
  ['bytes=-0', 416, 0, 0],
  ['bytes=100000-', 416, 0, 0],
  ['bytes=9007199254740993-', 416, 0, 0],
  ['bytes=99999999999999999999999999999-', 416, 0, 0],
  ['bytes=5-4', 416, 0, 0],
  ['bytes=-', 200, 0, 100_000],
  ['bytes=--5', 200, 0, 100_000],
  ['bytes=0x10-0x20', 200, 0, 100_000],
  ['bits=0-5', 200, 0, 100_000],
  [`bytes=${tooMany}`, 200, 0, 100_000],
  [`bytes=${'0'.repeat(4_000)}-`, 206, 0, 100_000],
] as const) {
  const named = range.length > 60 ? `${range.slice(0, 40)}… (${range.length} characters)` : range;
  test(`the range ${named} is ${status}`, async (t) => {
    const door = await openTestDoor(t, { registries: [{ registry: smallRegistry() }] });
    const answer = await rawFetch(door.url + blobPath, { headers: { range } });
    assert.equal(answer.status, status);
    if (status === 416) return assert.equal(answer.headers['content-range'], 'bytes */100000');
    assert.deepEqual(answer.body, blob.subarray(start, end));
    if (status === 206) assert.equal(answer.headers['content-range'], `bytes ${start}-${end - 1}/100000`);
  });
}

test('two hundred connections of every odd kind leave no descriptor open when they are over', async (t) => {
  const descriptors = () => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCPS')).length;
  const door = await openTestDoor(t, { registries: [{ registry: smallRegistry() }], limits: shortHead.limits });
  const kinds = ['', 'GET /v2/ HT', `GET ${blobPath} HTTP/1.1\r\nhost: cache\r\n\r\n`, 'nonsense\r\n\r\n'];
  await rawFetch(`${door.url}/healthz`); // what is opened once, is open by now
  const before = descriptors();
  const sockets = await Promise.all(Array.from({ length: 200 }, () => connectRaw(door.port)));
  assert.ok(descriptors() >= before + sockets.length);
  for (const [at, socket] of sockets.entries()) socket.write(kinds[at % kinds.length]!);
  await Promise.all(sockets.filter((_, at) => at % 4 === 2).map((socket) => socket.until(/\r\n\r\n/)));
  for (const [at, socket] of sockets.entries()) if (at % 4 === 2) socket.socket.resetAndDestroy();
  await Promise.all(sockets.map((socket) => socket.closed));
  await door.close(0);
  assert.ok(descriptors() <= before, `${descriptors()} descriptors are open, ${before} were before`);
});

test('every limit of the door is there, and the head’s is shorter than the request’s', () => {
  for (const [name, ms] of Object.entries(defaultDoorLimits)) assert.ok(ms > 0 && ms <= endlessMs, name);
  assert.ok(defaultDoorLimits.headMs <= defaultDoorLimits.requestMs);
});
