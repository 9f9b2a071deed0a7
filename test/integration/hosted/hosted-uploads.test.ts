import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { freeAccess } from '../../../src/access/free-access.ts';
import type { HostedLimits } from '../../../src/hosted/tools.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { hostedRegistryName } from '../../../src/oci/hosted.ts';
import { routeToOne } from '../../../src/server/routing/routing.ts';
import { seededBytes } from '../../support/content/images.ts';
import { smallDisk } from '../../support/disk/small-disk.ts';
import { tmpDir } from '../../support/disk/tmp.ts';
import { connectRaw, type RawSocket } from '../../support/http/raw-socket.ts';
import { openTestDoor } from '../../support/stages/test-door.ts';
import { openTestHosted, type TestHostedOptions } from '../../support/stages/test-hosted.ts';
import { ManualClock } from '../../support/time/clock.ts';

// Blobs that are pushed over real sockets into real files.

const begin = '/v2/team/app/blobs/uploads/';
const blob = seededBytes('pushed', 5_000_000);
const digest = digestOf(blob);

/** A hosted registry behind a door. */
async function openHosted(t: TestContext, limits: Partial<HostedLimits> = {}, options: TestHostedOptions = {}) {
  const { registry, log, close } = await openTestHosted(limits, options);
  registry.start();
  const routed = { name: hostedRegistryName, alias: hostedRegistryName, registry, pushable: registry };
  const door = await openTestDoor(t, {
    registries: [routed],
    routing: ([only]) => routeToOne(only!),
    access: { access: freeAccess(new Set(['hosted'])), door: 'hosted' },
  });
  let isOpen = true;
  const stop = async () => {
    if (!isOpen) return;
    isOpen = false;
    await door.close(0);
    await close();
  };
  t.after(stop);
  const send = async (method: string, path: string, body?: Buffer, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${door.url}${path}`, { method, headers, ...(body && { body: new Uint8Array(body) }) });
    return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
  };
  const start = async () => (await send('POST', begin)).headers.get('location')!;
  return { registry, log, port: door.port, send, start, stop };
}

type Hosted = Awaited<ReturnType<typeof openHosted>>;

/** Begins to send a body, of which only some bytes come. */
async function sendSome({ port }: Hosted, location: string, bytes: Buffer, length = blob.length): Promise<RawSocket> {
  const socket = await connectRaw(port);
  socket.write(`PATCH ${location} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${length}\r\n\r\n`);
  socket.write(bytes);
  return socket;
}

/** Asks for the state of an upload until that is so: what the other end of a connection sent is on its way. */
async function arrived({ send }: Hosted, location: string, range: string): Promise<void> {
  for (;;) {
    const state = await send('GET', location);
    if (state.headers.get('range') === range) return;
    await turn();
  }
}

function uploadFiles(data: string): string[] {
  return readdirSync(`${data}/uploads-v1`).filter((name) => !name.endsWith('.lock'));
}

function codeOf({ bytes }: { bytes: Buffer }): string {
  return (JSON.parse(bytes.toString()) as { errors: { code: string }[] }).errors[0]!.code;
}

describe('a blob that is pushed', () => {
  test('can be pulled as soon as it is acknowledged, whole and in part', async (t) => {
    const { send, start } = await openHosted(t);
    const pushed = await send('PUT', `${await start()}?digest=${digest}`, blob);
    assert.deepEqual([pushed.status, pushed.headers.get('docker-content-digest')], [201, digest]);
    const path = `/v2/team/app/blobs/${digest}`;
    assert.equal((await send('HEAD', path)).headers.get('content-length'), String(blob.length));
    assert.deepEqual((await send('GET', path)).bytes, blob);
    const part = await send('GET', path, undefined, { range: 'bytes=1000-1999' });
    assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 1000-1999/${blob.length}`]);
  });

  test('goes on from where its connection broke', async (t) => {
    const hosted = await openHosted(t);
    const location = await hosted.start();
    const socket = await sendSome(hosted, location, blob.subarray(0, 2_500_000));
    await arrived(hosted, location, `0-${2 * 1024 * 1024 - 1}`); // two buffers are written, the rest waits for more
    socket.socket.destroySoon(); // a reset may overtake what is on its way
    await arrived(hosted, location, '0-2499999');
    const early = await hosted.send('PATCH', location, blob.subarray(3_000_000), {
      'content-range': '3000000-4999999',
    });
    assert.deepEqual([early.status, codeOf(early), early.headers.get('range')], [416, 'RANGE_INVALID', '0-2499999']);
    const rest = blob.subarray(2_500_000);
    const last = await hosted.send('PATCH', location, rest, { 'content-range': '2500000-4999999' });
    assert.deepEqual([last.status, last.headers.get('range')], [202, '0-4999999']);
    assert.equal((await hosted.send('PUT', `${location}?digest=${digest}`)).status, 201);
  });

  test('goes on after a restart, and is verified from its first byte', async (t) => {
    const data = tmpDir(t, { assertClosed: true });
    const before = await openHosted(t, {}, { data });
    const [right, wrong] = [await before.start(), await before.start()];
    await before.send('PATCH', right, blob.subarray(0, 3_000_000));
    await before.send('PATCH', wrong, blob.subarray(1, 3_000_000));
    await before.stop();
    const after = await openHosted(t, {}, { data });
    const state = await after.send('GET', right);
    assert.deepEqual([state.status, state.headers.get('range')], [204, '0-2999999']);
    const pushed = await after.send('PUT', `${right}?digest=${digest}`, blob.subarray(3_000_000), {
      'content-range': '3000000-4999999',
    });
    assert.equal(pushed.status, 201);
    const refused = await after.send('PUT', `${wrong}?digest=${digest}`, blob.subarray(2_999_999));
    assert.deepEqual([refused.status, codeOf(refused)], [400, 'DIGEST_INVALID']);
    assert.equal((await after.send('GET', wrong)).status, 404);
  });

  test('has one request at a time, and another only once the client of the first has gone', async (t) => {
    const hosted = await openHosted(t);
    const location = await hosted.start();
    const socket = await sendSome(hosted, location, blob.subarray(0, 1024 * 1024));
    await arrived(hosted, location, `0-${1024 * 1024 - 1}`);
    const second = await hosted.send('PATCH', location, blob.subarray(1024 * 1024));
    assert.deepEqual([second.status, codeOf(second)], [409, 'BLOB_UPLOAD_INVALID']);
    socket.socket.resetAndDestroy();
    for (;;) {
      const third = await hosted.send('PATCH', location, blob.subarray(1024 * 1024));
      if (third.status === 202) break;
      assert.equal(third.status, 409, 'until the connection is known to be gone');
    }
    assert.equal((await hosted.send('PUT', `${location}?digest=${digest}`)).status, 201);
  });

  test('may come from two clients at a time', async (t) => {
    const { send, start } = await openHosted(t);
    const locations = await Promise.all([start(), start(), start()]);
    const pushed = await Promise.all(locations.map((location) => send('PUT', `${location}?digest=${digest}`, blob)));
    assert.deepEqual(
      pushed.map(({ status }) => status),
      [201, 201, 201],
    );
    assert.equal((await send('HEAD', `/v2/team/app/blobs/${digest}`)).status, 200);
  });
});

describe('limits of pushing', () => {
  test('many slow clients take bounded memory, and all come to their end', async (t) => {
    const hosted = await openHosted(t);
    const clients = await Promise.all(
      Array.from({ length: 100 }, async (_, at) => {
        const bytes = seededBytes(`slow ${at}`, 20_000);
        const location = await hosted.start();
        return { bytes, location, socket: await sendSome(hosted, location, bytes.subarray(0, 10_000), bytes.length) };
      }),
    );
    while (hosted.registry.bufferedBytes < 100 * 64 * 1024) await turn(); // each has a buffer by now
    assert.ok(hosted.registry.bufferedBytes <= 32 * 1024 * 1024 + 100 * 64 * 1024);
    for (const { bytes, socket } of clients) socket.write(bytes.subarray(10_000));
    for (const { socket } of clients) {
      await socket.until(/^HTTP\/1\.1 202 /);
      socket.socket.destroy();
    }
    assert.equal(hosted.registry.bufferedBytes, 0);
    for (const { bytes, location } of clients) {
      assert.equal((await hosted.send('PUT', `${location}?digest=${digestOf(bytes)}`)).status, 201);
    }
  });

  test('a client that sends too much reads why, and nothing of it stays', async (t) => {
    const data = tmpDir(t, { assertClosed: true });
    const limits = { uploads: { maxAgeMs: 1e9, maxCount: 10, maxBytes: 1_000_000 } };
    const { send, start, port } = await openHosted(t, limits, { data });
    const told = await send('PUT', `${await start()}?digest=${digest}`, blob);
    assert.deepEqual([told.status, codeOf(told)], [413, 'SIZE_INVALID']);
    const socket = await connectRaw(port);
    socket.write(`PATCH ${await start()} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n`);
    for (let at = 0; at < blob.length; at += 100_000) {
      socket.write(`${(100_000).toString(16)}\r\n`);
      socket.write(blob.subarray(at, at + 100_000));
      socket.write('\r\n');
    }
    await socket.until(/^HTTP\/1\.1 413 .*SIZE_INVALID/s);
    socket.socket.destroy();
    assert.deepEqual(uploadFiles(data), []);
  });

  test('a quota that is full refuses what would exceed it', async (t) => {
    const { send, start } = await openHosted(t, { maxBytes: 6_000_000 });
    assert.equal((await send('PUT', `${await start()}?digest=${digest}`, blob)).status, 201);
    const more = seededBytes('more', 1_000_001);
    const refused = await send('PUT', `${await start()}?digest=${digestOf(more)}`, more);
    assert.deepEqual([refused.status, codeOf(refused)], [403, 'DENIED']);
    const fits = more.subarray(1);
    assert.equal((await send('PUT', `${await start()}?digest=${digestOf(fits)}`, fits)).status, 201);
  });

  test('a full disk is told, what came before stays, and small blobs still fit', async (t) => {
    const data = smallDisk(t, 4_000_000);
    const { send, start } = await openHosted(t, {}, { data });
    const location = await start();
    const refused = await send('PATCH', location, blob);
    assert.deepEqual([refused.status, codeOf(refused)], [507, 'UNAVAILABLE']);
    assert.match((await send('GET', location)).headers.get('range') ?? '', /^0-\d{6,}$/);
    assert.equal((await send('DELETE', location)).status, 204);
    const small = blob.subarray(0, 1_000_000);
    assert.equal((await send('PUT', `${await start()}?digest=${digestOf(small)}`, small)).status, 201);
  });

  test('an upload that was left alone for a day is removed with its file', async (t) => {
    const data = tmpDir(t, { assertClosed: true });
    const clock = new ManualClock();
    const { send, start, log } = await openHosted(t, {}, { data, clock });
    const location = await start();
    await send('PATCH', location, blob);
    assert.equal(uploadFiles(data).length > 0, true);
    await clock.nextSleep((delayMs) => delayMs === 3_600_000);
    clock.advance(24 * 3_600_000);
    const { facts } = await log.waitFor('abandoned uploads removed');
    assert.deepEqual(facts, { uploads: 1, sizeBytes: blob.length });
    const gone = await send('GET', location);
    assert.deepEqual([gone.status, codeOf(gone)], [404, 'BLOB_UPLOAD_UNKNOWN']);
    assert.deepEqual(uploadFiles(data), []);
  });
});
