import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get } from 'node:https';
import { type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { seededBytes } from '../../../test/support/content/images.ts';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { rawFetch } from '../../../test/support/http/raw-http.ts';
import { connectRaw } from '../../../test/support/http/raw-socket.ts';
import { MemoryRegistry } from '../../../test/support/memory/memory-registry.ts';
import { openTestDoor, type TestDoorOptions } from '../../../test/support/stages/test-door.ts';
import { ManualClock } from '../../../test/support/time/clock.ts';
import { certificates } from '../../../test/support/tls/certs.ts';
import { writeTlsFiles } from '../../../test/support/tls/tls-files.ts';
import { digestOf } from '../../oci/digest.ts';

const first = certificates();
const second = certificates(['second.test']);
const trusted = { ca: [first.ca.cert, second.ca.cert] };

// No test waits for a time: whatever would have to wait for one of these fails by the time limit of the run.
const endlessMs = 10 * 60_000;
const endless = { headMs: endlessMs, requestMs: endlessMs, idleMs: endlessMs, keepAliveMs: endlessMs, checkMs: 10 };
const shortMs = 60;

interface TlsDoorOptions extends Omit<TestDoorOptions, 'tls'> {
  readonly clientCa?: string;
  readonly clock?: ManualClock;
  readonly hstsMs?: number;
}

async function openTlsDoor(t: TestContext, { clientCa, clock, hstsMs, ...options }: TlsDoorOptions = {}) {
  const files = writeTlsFiles(tmpDir(t), first.server, clientCa);
  const tls = { ...files.paths, ...(clock && { clock }), ...(hstsMs === undefined ? {} : { hstsMs }) };
  return { ...(await openTestDoor(t, { ...options, tls })), files };
}

/** Connects, and agrees on TLS. */
async function connectTls(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ...trusted, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

/** All that comes until the connection ends, by whomever. */
async function readToEnd(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  await once(socket, 'close');
  return text;
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a client of ${version} is answered, by HTTP/1.1 though it offers h2, too`, async (t) => {
    const door = await openTlsDoor(t);
    const socket = await connectTls(door.port, { maxVersion: version, ALPNProtocols: ['h2', 'http/1.1'] });
    assert.deepEqual([socket.getProtocol(), socket.alpnProtocol], [version, 'http/1.1']);
    socket.write('GET /v2/ HTTP/1.1\r\nhost: cache\r\nconnection: close\r\n\r\n');
    const text = await readToEnd(socket);
    assert.match(text, /^HTTP\/1\.1 200 .*\{\}$/s);
    assert.doesNotMatch(text, /strict-transport-security/i);
  });
}

test('a client of TLS 1.1 is refused in the handshake', async (t) => {
  const door = await openTlsDoor(t);
  const old = connectTls(door.port, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
  await assert.rejects(old, /alert protocol version/);
  const { level, facts } = await door.events.waitFor('TLS handshake failed');
  assert.deepEqual([level, facts['reason']], ['debug', 'ERR_SSL_UNSUPPORTED_PROTOCOL']);
});

test('the administrative paths are there by TLS, too', async (t) => {
  const door = await openTlsDoor(t);
  for (const path of ['/readyz', '/metrics', '/status']) {
    assert.equal((await rawFetch(door.url + path, trusted)).status, 200, path);
  }
});

test('every answer tells browsers to come by TLS alone, for as long as was configured', async (t) => {
  const door = await openTlsDoor(t, { hstsMs: 3_600_000 });
  for (const path of ['/v2/', '/healthz', '/nowhere']) {
    const { headers } = await rawFetch(door.url + path, trusted);
    assert.equal(headers['strict-transport-security'], 'max-age=3600', path);
  }
});

test('a large blob comes whole, and its range', async (t) => {
  const registry = new MemoryRegistry();
  const blob = seededBytes('large', 24 * 1024 * 1024);
  registry.content.putBlob('team/app', blob);
  const door = await openTlsDoor(t, { registries: [{ registry }] });
  const url = `${door.url}/v2/team/app/blobs/${digestOf(blob)}`;
  assert.ok((await rawFetch(url, trusted)).body.equals(blob));
  const { body } = await rawFetch(url, { ...trusted, headers: { range: 'bytes=1000000-2999999' } });
  assert.ok(body.equals(blob.subarray(1_000_000, 3_000_000)));
  const [whole, part] = await door.events.requests(2);
  assert.deepEqual([whole?.['bytes'], part?.['bytes']], [blob.length, 2_000_000]);
  assert.equal(whole?.['client'], '127.0.0.1');
});

test('plain HTTP is told to come by TLS, and one line is logged', async (t) => {
  const door = await openTlsDoor(t);
  const socket = await connectRaw(door.port);
  socket.write('GET /v2/ HTTP/1.1\r\nhost: cache\r\n\r\n');
  assert.match(await socket.closed, /^HTTP\/1\.1 400 .*\r\n\r\n.*https:\/\/\n$/s);
  const { level, facts } = await door.events.waitFor('plain HTTP at a door of TLS');
  assert.equal(level, 'debug');
  assert.deepEqual(facts, { door: 'registry', client: '127.0.0.1' });
  assert.equal(door.events.events.length, 1);
});

for (const [what, sent] of [
  ['says nothing', ''],
  ['begins a handshake and stops', '\x16\x03\x01\x02'],
] as const) {
  test(`a client that connects and ${what} is ended after the limit of a head`, async (t) => {
    const door = await openTlsDoor(t, { limits: { ...endless, headMs: shortMs } });
    const socket = await connectRaw(door.port);
    if (sent !== '') socket.write(Buffer.from(sent, 'latin1'));
    assert.equal(await socket.closed, '');
  });
}

test('after the handshake, a head has the same limit as at a plain door', async (t) => {
  const door = await openTlsDoor(t, { limits: { ...endless, headMs: shortMs } });
  const socket = await connectTls(door.port);
  socket.write('GET /v2/ HT');
  assert.match(await readToEnd(socket), /^HTTP\/1\.1 408 /);
});

test('a client that stops reading is ended after the limit of idleness', async (t) => {
  const registry = new MemoryRegistry();
  const large = seededBytes('large', 24 * 1024 * 1024); // far more than the system's own buffers hold
  registry.content.putBlob('team/app', large);
  const digest = digestOf(large);
  const door = await openTlsDoor(t, { registries: [{ registry }], limits: { ...endless, idleMs: shortMs } });
  const socket = await connectTls(door.port);
  socket.on('error', () => {});
  socket.write(`GET /v2/team/app/blobs/${digest} HTTP/1.1\r\nhost: cache\r\n\r\n`);
  const [facts] = await door.events.requests(1);
  assert.equal(facts?.['status'], 499);
  socket.destroy();
});

test('where clients need a certificate, only one of the right authority comes in', async (t) => {
  const door = await openTlsDoor(t, { clientCa: first.ca.cert });
  const url = `${door.url}/healthz`;
  assert.equal((await rawFetch(url, { ...trusted, identity: first.client })).status, 200);
  await assert.rejects(rawFetch(url, trusted), /certificate required|ECONNRESET|socket hang up/);
  await assert.rejects(rawFetch(url, { ...trusted, identity: second.client }), /ECONNRESET|socket hang up|closed/);
  await door.events.waitFor('TLS handshake failed', 2);
  const [none, wrong] = door.events.named('TLS handshake failed').map(({ facts }) => String(facts['reason']));
  assert.equal(none, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE');
  assert.match(wrong ?? '', /^(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE)$/);
  assert.equal((await door.events.requests(1)).length, 1);
});

test('when the authorities of clients change, no session of an older handshake comes in', async (t) => {
  const clock = new ManualClock(Date.now());
  const door = await openTlsDoor(t, { clientCa: first.ca.cert, clock });
  const agent = new Agent({ ...trusted, ...first.client, keepAlive: false });
  const ask = () =>
    new Promise<boolean>((resolve, reject) => {
      const request = get(`${door.url}/healthz`, { agent }, (answer) => {
        answer.resume().once('end', () => resolve((answer.socket as TLSSocket).isSessionReused()));
      });
      request.once('error', reject);
    });
  const reused = [await ask(), await ask()];
  assert.deepEqual(reused, [false, true]);
  door.files.put('clientCa', second.ca.cert);
  await renewal(door.events, clock);
  await assert.rejects(ask());
});

/** Has the files of the door looked at until the next renewal. */
async function renewal(events: { named(name: string): readonly unknown[] }, clock: ManualClock): Promise<void> {
  const before = events.named('certificate renewed').length;
  while (events.named('certificate renewed').length === before) {
    await clock.nextSleep();
    clock.advance(2_000);
    await new Promise(setImmediate);
  }
}

test('connections that are open go on after a renewal, and the next get the new certificate', async (t) => {
  const clock = new ManualClock(Date.now());
  const door = await openTlsDoor(t, { clock });
  const before = await connectTls(door.port);
  door.files.putPair(second.server);
  await renewal(door.events, clock);
  before.write('GET /healthz HTTP/1.1\r\nhost: cache\r\nconnection: close\r\n\r\n');
  assert.match(await readToEnd(before), /ok\n$/);
  const after = await connectTls(door.port, { servername: 'second.test' });
  assert.match(after.getPeerX509Certificate()?.subjectAltName ?? '', /DNS:second\.test/);
  after.destroy();
});

test('no request fails while the certificate is changed again and again', async (t) => {
  const clock = new ManualClock(Date.now());
  const door = await openTlsDoor(t, { clock });
  const agents = [new Agent({ ...trusted, keepAlive: true, maxSockets: 4 }), new Agent(trusted)];
  t.after(() => {
    for (const agent of agents) agent.destroy();
  });
  const ask = (agent: Agent) =>
    new Promise<number | undefined>((resolve, reject) => {
      get(`${door.url}/v2/`, { agent }, (answer) => {
        answer.resume().once('end', () => resolve(answer.statusCode));
      }).once('error', reject);
    });
  let isOver = false;
  const statuses: (number | undefined)[] = [];
  const clients = [...agents, ...agents].map(async (agent) => {
    while (!isOver) statuses.push(await ask(agent));
  });
  try {
    for (const pair of [second, first, second, first]) {
      door.files.putPair(pair.server);
      await renewal(door.events, clock);
      const asked = statuses.length;
      while (statuses.length < asked + 10) await ask(agents[1]!);
    }
  } finally {
    isOver = true;
    await Promise.all(clients);
  }
  assert.deepEqual([...new Set(statuses)], [200]);
});

test('close() lets an answer under way end, and ends the others, those in a handshake among them, at once', async (t) => {
  const asked = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const registry = Object.assign(new MemoryRegistry(), {
    listTags: async () => {
      asked.resolve();
      await held.promise;
      return { tags: ['late'], next: undefined };
    },
  });
  const door = await openTlsDoor(t, { registries: [{ registry }] });
  const idle = readToEnd(await connectTls(door.port));
  const inHandshake = await connectRaw(door.port);
  const busy = await connectTls(door.port);
  busy.write('GET /v2/team/app/tags/list HTTP/1.1\r\nhost: cache\r\n\r\n');
  await asked.promise;
  const closed = door.close(endlessMs);
  assert.deepEqual(await Promise.all([idle, inHandshake.closed]), ['', '']);
  held.resolve();
  assert.match(await readToEnd(busy), /^HTTP\/1\.1 200 .*late/s);
  await closed;
});

test('close() breaks off what takes longer than its grace', async (t) => {
  const asked = Promise.withResolvers<void>();
  const registry = Object.assign(new MemoryRegistry(), {
    listTags: () => {
      asked.resolve();
      return new Promise<never>(() => {});
    },
  });
  const door = await openTlsDoor(t, { registries: [{ registry }] });
  const busy = await connectTls(door.port);
  busy.write('GET /v2/team/app/tags/list HTTP/1.1\r\nhost: cache\r\n\r\n');
  await asked.promise;
  const ended = readToEnd(busy);
  await door.close(1);
  assert.equal(await ended, '');
});
