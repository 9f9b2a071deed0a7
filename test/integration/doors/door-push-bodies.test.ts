import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { describe, test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { RegistryError } from '../../../src/oci/errors.ts';
import type { PushableRegistry } from '../../../src/oci/registry.ts';
import { seededBytes } from '../../support/content/images.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { rawFetch } from '../../support/http/raw-http.ts';
import { connectRaw } from '../../support/http/raw-socket.ts';
import { MemoryPushable } from '../../support/memory/memory-pushable.ts';
import { openPushDoor, parseAnswer, ways } from '../../support/stages/push-door.ts';
import { endless, endlessMs } from '../../support/stages/test-door.ts';
import { ManualClock } from '../../support/time/clock.ts';
import { certificates } from '../../support/tls/certs.ts';
import { writeTlsFiles } from '../../support/tls/tls-files.ts';

const blob = seededBytes('blob', 300_000);
const digest = digestOf(blob);
const start = `POST /v2/a/blobs/uploads/?digest=${digest} HTTP/1.1\r\nhost: localhost\r\n`;
const hostedDoor = ways['the hosted door'];

// The limit under test is short, all others are so long that a test which meets one of them fails by its own time limit.
const shortMs = 100;

function codeOf(body: string): string {
  return (JSON.parse(body) as { errors: { code: string }[] }).errors[0]!.code;
}

/** A registry in which some methods are others. */
function registryWith(methods: Partial<PushableRegistry>): MemoryPushable {
  return Object.assign(new MemoryPushable(), methods);
}

/** An upload that is begun, and nothing sent. */
async function beginUpload({ send }: Awaited<ReturnType<typeof openPushDoor>>): Promise<string> {
  return String((await send('POST', '/v2/a/blobs/uploads/')).headers['location']);
}

describe('a client that waits for leave to send', () => {
  test('gets it when its bytes will be taken, and then its answer', async (t) => {
    const { door, registry } = await openPushDoor(t);
    const socket = await connectRaw(door.port);
    socket.write(`${start}expect: 100-continue\r\ncontent-length: ${blob.length}\r\n\r\n`);
    await socket.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    socket.write(blob);
    await socket.until(/HTTP\/1\.1 201 .*\r\n\r\n$/s);
    assert.ok(registry.content.blob('a', digest));
    socket.write('GET /v2/ HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await socket.until(/\{\}$/);
    socket.socket.destroy();
  });

  for (const [what, method, path, length, status] of [
    ['an unknown upload', 'PATCH', '/v2/a/blobs/uploads/none', blob.length, 404],
    ['a manifest that is too large', 'PUT', '/v2/a/manifests/v1', 1001, 413],
    ['a path that is none', 'PUT', '/v2/a/b/c', blob.length, 404],
    ['a method that the path has not', 'PUT', '/v2/a/tags/list', blob.length, 405],
    ['a malformed digest', 'PUT', '/v2/a/blobs/uploads/none?digest=x', blob.length, 400],
  ] as const) {
    test(`gets the answer instead for ${what}, and the connection ends`, async (t) => {
      const { door } = await openPushDoor(t, hostedDoor, { maxManifestBytes: 1000 });
      const socket = await connectRaw(door.port);
      const type = 'content-type: application/json\r\n';
      const head = `${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${type}expect: 100-continue\r\n`;
      socket.write(`${head}content-length: ${length}\r\n\r\n`);
      const answer = await socket.closed;
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} .*\r\nconnection: close\r\n`, 's'));
    });
  }

  test('as HTTP/1.0 knows no leave, is sent none', async (t) => {
    const { door } = await openPushDoor(t);
    const socket = await connectRaw(door.port);
    const head = `${start.replace('HTTP/1.1', 'HTTP/1.0')}expect: 100-continue\r\n`;
    socket.write(`${head}content-length: ${blob.length}\r\n\r\n`);
    socket.write(blob);
    assert.match(await socket.closed, /^HTTP\/1\.1 201 /);
  });
});

describe('a body that is refused', () => {
  test('too large for a manifest, by what it says, is 413 before any of it is read', async (t) => {
    const { send, registry } = await openPushDoor(t, hostedDoor, { maxManifestBytes: 1000 });
    const headers = { 'content-type': 'application/json' };
    const fits = await send('PUT', '/v2/a/manifests/v1', { headers, body: Buffer.alloc(1000, ' ') });
    assert.deepEqual([fits.status, codeOf(fits.body)], [400, 'MANIFEST_INVALID']);
    for (const body of [Buffer.alloc(1001, ' '), [Buffer.alloc(600, ' '), Buffer.alloc(401, ' ')]]) {
      const answer = await send('PUT', '/v2/a/manifests/v1', { headers, body });
      assert.deepEqual([answer.status, codeOf(answer.body)], [413, 'SIZE_INVALID']);
      assert.match(answer.body, /1000 bytes \(hosted\.maxManifestBytes\)/);
    }
    assert.deepEqual(registry.content.repositories(), []);
  });

  test('while a client sends it without end reaches that client as an answer', async (t) => {
    const refuse = async () => {
      throw new RegistryError('DENIED', 'Cannot take it: the quota is full');
    };
    const { door } = await openPushDoor(t, hostedDoor, { registry: registryWith({ beginUpload: refuse }) });
    const socket = await connectRaw(door.port, { allowHalfOpen: true });
    socket.write(`${start}transfer-encoding: chunked\r\n\r\n`);
    const piece = Buffer.alloc(1024 * 1024);
    const stop = AbortSignal.timeout(endlessMs);
    // Like a client that does not look for an answer before it has sent all: 64 MiB are more than all buffers hold.
    for (let sent = 0; sent < 64; sent++) {
      socket.write(`${piece.length.toString(16)}\r\n`);
      socket.write(piece);
      if (!socket.socket.write('\r\n')) await once(socket.socket, 'drain', { signal: stop });
    }
    socket.socket.end('0\r\n\r\n');
    const answer = parseAnswer(await socket.closed);
    assert.deepEqual([answer.status, codeOf(answer.body)], [403, 'DENIED']);
  });

  test('for the number of uploads is 429, with the time to wait: there is no other registry to go to', async (t) => {
    const refuse = async () => {
      throw new RegistryError('TOOMANYREQUESTS', 'Cannot begin', { headers: { 'retry-after': '60' } });
    };
    const { send } = await openPushDoor(t, hostedDoor, { registry: registryWith({ beginUpload: refuse }) });
    const { status, headers, body } = await send('POST', '/v2/a/blobs/uploads/');
    assert.deepEqual([status, headers['retry-after'], codeOf(body)], [429, '60', 'TOOMANYREQUESTS']);
  });
});

describe('a client that goes in the middle of a body', () => {
  for (const framing of [`content-length: ${blob.length}\r\n\r\n`, 'transfer-encoding: chunked\r\n\r\n20000\r\n']) {
    test(`finds what had come, and goes on after it (${framing.split(':')[0]})`, async (t) => {
      const pushed = await openPushDoor(t);
      const session = await beginUpload(pushed);
      const socket = await connectRaw(pushed.door.port);
      socket.write(`PATCH ${session} HTTP/1.1\r\nhost: localhost\r\n${framing}`);
      socket.socket.write(blob.subarray(0, 100_000));
      socket.socket.end(); // and not a reset, upon which the system drops what was not read yet
      await socket.closed;
      await pushed.door.events.requests(2);
      const { headers } = await pushed.send('GET', session);
      assert.equal(headers['range'], '0-99999');
      const body = blob.subarray(100_000);
      const rest = { body, headers: { 'content-range': `100000-${blob.length - 1}` } };
      assert.equal((await pushed.send('PUT', `${session}?digest=${digest}`, rest)).status, 201);
      const [, facts] = await pushed.door.events.requests(2);
      assert.deepEqual([facts?.['route'], facts?.['received']], ['append-upload', 100_000]);
    });
  }

  test('that it sent in one POST leaves nothing', async (t) => {
    const { door, registry } = await openPushDoor(t);
    const socket = await connectRaw(door.port);
    socket.write(`${start}content-length: ${blob.length}\r\n\r\n`);
    socket.socket.write(blob.subarray(0, 100_000));
    socket.socket.end();
    await socket.closed;
    await door.events.requests(1);
    assert.equal(registry.uploadCount, 0);
    assert.equal(registry.content.blob('a', digest), undefined);
  });
});

describe('the time that a body may take', () => {
  /** Sends a byte of a body now and then for so long, and then the rest; gives what came. */
  async function trickle(port: number, head: string, body: Buffer, forMs: number): Promise<string> {
    const socket = await connectRaw(port);
    socket.write(head);
    const beganAtMs = performance.now();
    let sent = 0;
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        socket.write(body.subarray(sent, ++sent));
        if (performance.now() - beganAtMs < forMs) return;
        clearInterval(timer);
        resolve();
      }, shortMs / 4);
    });
    socket.write(body.subarray(sent));
    return socket.closed;
  }

  test('ends when a byte comes each minute, with an answer that says so, and what came is kept', async (t) => {
    const clock = new ManualClock();
    const pushed = await openPushDoor(t, hostedDoor, { clock, limits: endless });
    const session = await beginUpload(pushed);
    const socket = await connectRaw(pushed.door.port);
    socket.write(`PATCH ${session} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${blob.length}\r\n\r\n`);
    for (let minute = 0; minute < 10; minute++) {
      await clock.nextSleep();
      await new Promise<void>((resolve) => socket.socket.write(blob.subarray(minute, minute + 1), () => resolve()));
      clock.advance(60_000);
    }
    await socket.until(/^HTTP\/1\.1 408 .*came in 10 minutes/s);
    socket.socket.end();
    await socket.closed;
    assert.equal(clock.sleeping, 0);
    const [, facts] = await pushed.door.events.requests(2);
    assert.equal(facts?.['status'], 408);
    assert.match(String((await pushed.send('GET', session)).headers['range']), /^0-[0-9]$/);
  });

  test('is as long as something comes, when it is wanted, far longer than that of one which is not', async (t) => {
    // Far longer than the steps, which come late from a machine that does much else.
    const limits = { ...endless, headMs: 5 * shortMs, requestMs: 5 * shortMs, idleMs: 10 * shortMs };
    const { door } = await openPushDoor(t, hostedDoor, { limits });
    const head = `${start}connection: close\r\ncontent-length: ${blob.length}\r\n\r\n`;
    assert.match(await trickle(door.port, head, blob, 1.5 * limits.idleMs), /^HTTP\/1\.1 201 /);
  });

  test('ends when nothing comes for a while, and what came is kept', async (t) => {
    const pushed = await openPushDoor(t, hostedDoor, { limits: { ...endless, idleMs: shortMs } });
    const session = await beginUpload(pushed);
    const socket = await connectRaw(pushed.door.port);
    socket.write(`PATCH ${session} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${blob.length}\r\n\r\n`);
    socket.write(blob.subarray(0, 1000));
    assert.equal(await socket.closed, '');
    await pushed.door.events.requests(2);
    assert.equal((await pushed.send('GET', session)).headers['range'], '0-999');
  });

  test('does not run while the last byte has come and the answer is being made', async (t) => {
    const released = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const finishUpload: PushableRegistry['finishUpload'] = async (_repository, _id, _digest, { bytes }) => {
      for await (const _ of bytes);
      asked.resolve();
      await released.promise;
    };
    const registry = registryWith({ finishUpload });
    const { door } = await openPushDoor(t, hostedDoor, { registry, limits: { ...endless, idleMs: shortMs } });
    const socket = await connectRaw(door.port);
    socket.write(`${start}content-length: ${blob.length}\r\n\r\n`);
    socket.write(blob);
    await asked.promise;
    const idle = await connectRaw(door.port);
    await idle.closed; // by its own limit, which is that of idleness
    released.resolve();
    await socket.until(/^HTTP\/1\.1 201 .*\r\n\r\n$/s);
    socket.socket.destroy();
  });
});

test('requests that push follow each other on one connection', async (t) => {
  const { door } = await openPushDoor(t);
  const socket = await connectRaw(door.port);
  for (let count = 1; count <= 5; count++) {
    socket.write(`${start}content-length: ${blob.length}\r\n\r\n`);
    socket.write(blob);
    await socket.until(new RegExp(`(HTTP/1\\.1 201 .*\r\n\r\n){${count}}$`, 's'));
    socket.write('POST /v2/a/blobs/uploads/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n');
    await socket.until(new RegExp(`(HTTP/1\\.1 202 .*\r\n\r\n){${count}}$`, 's'));
  }
  assert.equal(socket.text.match(/HTTP\/1\.1 20[12]/g)?.length, 10);
  socket.socket.destroy();
});

test('a body that is refused is answered, and one that is wanted is taken, through TLS as well', async (t) => {
  const { ca, server } = certificates();
  const { paths } = writeTlsFiles(tmpDir(t), server);
  const { door } = await openPushDoor(t, hostedDoor, { tls: paths, maxManifestBytes: 1000 });
  const put = (path: string, sizeBytes: number, type: string) => {
    const sent = request(`${door.url}${path}`, { method: 'PUT', ca: ca.cert, agent: false });
    sent.setHeader('content-length', sizeBytes);
    sent.setHeader('content-type', type);
    return sent;
  };
  const refused = put('/v2/a/manifests/v1', 64 * 1024 * 1024, 'application/json');
  const answered = once(refused, 'response') as Promise<[IncomingMessage]>;
  refused.on('error', () => {}); // its connection ends while it still sends
  for (let sent = 0; sent < 64 && !refused.destroyed; sent++) {
    if (refused.write(Buffer.alloc(1024 * 1024))) continue;
    await Promise.race([once(refused, 'drain'), once(refused, 'close')]);
  }
  const [answer] = await answered;
  assert.deepEqual([answer.statusCode, answer.headers.connection], [413, 'close']);
  answer.resume();
  refused.destroy();

  const { headers } = await rawFetch(`${door.url}/v2/a/blobs/uploads/`, { method: 'POST', ca: ca.cert });
  const taken = put(`${headers.location}?digest=${digest}`, blob.length, 'application/octet-stream');
  taken.end(blob);
  const [created] = (await once(taken, 'response')) as [IncomingMessage];
  assert.equal(created.statusCode, 201);
  created.resume();
});
