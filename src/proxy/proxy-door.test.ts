import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connectRaw } from '../../test/support/http/raw-socket.ts';
import { askConnect, exchange, shakeHands } from '../../test/support/stages/proxy-client.ts';
import { certificates } from '../../test/support/tls/certs.ts';
import { ReachableAddresses } from './connect/addresses.ts';
import { resolveHost } from './connect/connect.ts';
import { type ConnectResult, ProxyDoor, type ProxyDoorTools } from './proxy-door.ts';

const registryHost = 'registry.test';
const { ca, server: leaf } = certificates([registryHost]);

interface Door {
  readonly port: number;
  readonly door: ProxyDoor;
  /** Resolves with what became of the next request of which it was not told yet. */
  ended(): Promise<ConnectResult>;
  /** Resolves when no connection is open any more. */
  left(): Promise<void>;
  /** How many tunnels are open. */
  readonly tunnels: number;
}

/** Resolves when a connection is closed, by an error or without. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('error', () => {}).once('close', () => resolve());
  });
}

async function listen(t: TestContext, server: Server, sockets = new Set<Socket>()): Promise<number> {
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A door behind nothing but Node's HTTP server, whose limits are as short as a test needs them. */
async function openDoor(t: TestContext, targetPort: number, tools: Partial<ProxyDoorTools> = {}): Promise<Door> {
  const results: ConnectResult[] = [];
  const told = new EventEmitter();
  let tunnels = 0;
  const server = createHttpServer((_request: IncomingMessage, response: ServerResponse) => response.end('hello'));
  const door = new ProxyDoor({
    reachable: new ReachableAddresses(['127.0.0.1']),
    connectMs: 60_000,
    resolve: resolveHost,
    handshakeMs: 60_000,
    leafFor: async () => leaf,
    isRegistry: ({ host }) => host === registryHost,
    handOver: (secure) => void server.emit('connection', secure),
    authorize: async () => {},
    policy: { others: 'tunnel', ports: [targetPort], idleMs: 60_000 },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    observer: {
      ended(result) {
        results.push(result);
        told.emit('ended');
      },
      tunnels(change) {
        tunnels += change;
      },
    },
    ...tools,
  });
  server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    void door.connect(request, socket, head);
  });
  const sockets = new Set<Socket>();
  const port = await listen(t, server, sockets);
  return {
    port,
    door,
    async ended() {
      while (results.length === 0) await once(told, 'ended');
      return results.shift()!;
    },
    async left() {
      while (sockets.size > 0) await Promise.race([...sockets].map((socket) => closeOf(socket)));
    },
    get tunnels() {
      return tunnels;
    },
  };
}

function echo(t: TestContext): Promise<number> {
  return listen(
    t,
    createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket)),
  );
}

function idle(idleMs: number, port: number): Partial<ProxyDoorTools> {
  return { policy: { others: 'tunnel', ports: [port], idleMs } };
}

test('a tunnel through which nothing comes is ended', async (t) => {
  const target = await echo(t);
  const door = await openDoor(t, target, idle(50, target));
  const { socket } = await askConnect(door.port, `127.0.0.1:${target}`);
  const ended = door.ended();
  await closeOf(socket.resume());
  assert.equal(await ended, 'tunnelled');
  assert.equal(door.tunnels, 0);
});

test('a tunnel of which a client has ended its half is open for the answer, and ends when the target has ended its', async (t) => {
  const gate = Promise.withResolvers<void>();
  const target = await listen(
    t,
    createServer({ allowHalfOpen: true }, (socket) => {
      socket.resume().once('end', () => void gate.promise.then(() => socket.end('the answer')));
    }),
  );
  const door = await openDoor(t, target);
  const { socket } = await askConnect(door.port, `127.0.0.1:${target}`);
  const ended = door.ended();
  const answer = exchange(socket, 'the question');
  socket.end();
  gate.resolve();
  assert.equal(await answer, 'the answer');
  assert.equal(await ended, 'tunnelled');
});

test('a half that is never ended by the target ends with the idle limit', async (t) => {
  const target = await listen(
    t,
    createServer({ allowHalfOpen: true }, (socket) => void socket.resume()),
  );
  const door = await openDoor(t, target, idle(50, target));
  const { socket } = await askConnect(door.port, `127.0.0.1:${target}`);
  const ended = door.ended();
  socket.end();
  await closeOf(socket.resume());
  assert.equal(await ended, 'tunnelled');
});

test('a client that says nothing once it is connected with a registry is left', async (t) => {
  const door = await openDoor(t, 1, { handshakeMs: 50 });
  const ended = door.ended();
  const { socket } = await askConnect(door.port, `${registryHost}:443`);
  await closeOf(socket.resume());
  assert.equal(await ended, 'failed');
});

test('a client that leaves during the handshake is no more than that', async (t) => {
  const door = await openDoor(t, 1);
  const ended = door.ended();
  const { socket } = await askConnect(door.port, `${registryHost}:443`);
  socket.write(Buffer.from('160301', 'hex'));
  socket.resetAndDestroy();
  assert.equal(await ended, 'failed');
});

test('what comes in one piece with CONNECT is taken for the handshake', async (t) => {
  const door = await openDoor(t, 1);
  const raw = await connectRaw(door.port);
  raw.write(`CONNECT ${registryHost}:443 HTTP/1.1\r\nHost: ${registryHost}\r\n\r\nno handshake at all`);
  assert.match(await raw.closed, /^HTTP\/1\.1 200 Connection established\r\n\r\n/);
  assert.equal(await door.ended(), 'failed');
});

/** A port at which connections are neither taken nor refused: its process stands still, and its queue is full. */
async function openFullPort(t: TestContext): Promise<number> {
  const script = `require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
    console.log(this.address().port);
  })`;
  const child = spawn(process.execPath, ['--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const port = Number(String((await once(child.stdout, 'data'))[0]));
  child.kill('SIGSTOP');
  const waiting = Array.from({ length: 6 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  t.after(() => {
    for (const socket of waiting) socket.destroy();
  });
  await Promise.any(waiting.map((socket) => once(socket, 'connect')));
  return port;
}

test('a target that does not answer is 504 after a while', async (t) => {
  const target = await openFullPort(t);
  const door = await openDoor(t, target, { connectMs: 200 });
  const { status, socket } = await askConnect(door.port, `127.0.0.1:${target}`);
  socket.destroy();
  assert.equal(status, 504);
  assert.equal(await door.ended(), 'failed');
});

test('a client that leaves is forgotten, though its target is not even resolved yet', async (t) => {
  const asked = Promise.withResolvers<void>();
  const resolve = () => {
    asked.resolve();
    return new Promise<never>(() => {});
  };
  const door = await openDoor(t, 9, { resolve });
  const raw = await connectRaw(door.port);
  raw.write('CONNECT slow.test:9 HTTP/1.1\r\nHost: slow.test\r\n\r\n');
  await asked.promise;
  raw.socket.resetAndDestroy();
  assert.equal(await door.ended(), 'failed');
  await door.left();
});

test('a connection that was made for a registry leads nowhere else', async (t) => {
  const target = await echo(t);
  const door = await openDoor(t, target);
  const { socket } = await askConnect(door.port, `${registryHost}:443`);
  const secure = await shakeHands(socket, { servername: registryHost, ca: ca.cert });
  const answer = await exchange(secure, `CONNECT 127.0.0.1:${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nsecret`);
  assert.match(answer, /^HTTP\/1\.1 405 [\s\S]*\r\nconnection: close\r\n/);
  assert.deepEqual([await door.ended(), await door.ended()], ['intercepted', 'refused']);
});

test('a client that is refused is not waited for, though it neither reads nor ends', async (t) => {
  const door = await openDoor(t, 1);
  const raw = await connectRaw(door.port, { allowHalfOpen: true });
  raw.write(`CONNECT nowhere.test:22 HTTP/1.1\r\nHost: nowhere.test\r\n\r\n${'more'.repeat(1000)}`);
  await raw.until(/^HTTP\/1\.1 403 /);
  await door.left();
});

test('closing ends idle tunnels at once, and lets others go on for as long as it is given', async (t) => {
  const target = await echo(t);
  const door = await openDoor(t, target);
  const quiet = await askConnect(door.port, `127.0.0.1:${target}`);
  const busy = await askConnect(door.port, `127.0.0.1:${target}`);
  const says = (socket: Socket, text: string) => {
    socket.write(text);
    return once(socket, 'data').then(([data]) => String(data));
  };
  busy.socket.on('data', () => {}).resume();
  quiet.socket.resume();
  const closed = door.door.close(60_000);
  const quietClosed = closeOf(quiet.socket);
  let isClosed = false;
  void quietClosed.then(() => {
    isClosed = true;
  });
  while (!isClosed) assert.equal(await says(busy.socket, 'still here'), 'still here');
  assert.equal(await says(busy.socket, 'and now'), 'and now');
  busy.socket.end();
  await closed;
});

test('closing breaks tunnels that are in use for longer', async (t) => {
  const target = await echo(t);
  const door = await openDoor(t, target);
  const { socket } = await askConnect(door.port, `127.0.0.1:${target}`);
  socket.on('data', (data) => void (socket.destroyed || socket.write(data)));
  socket.on('error', () => {}).resume();
  socket.write('on and on');
  const closed = closeOf(socket);
  await door.door.close(100);
  await closed;
  assert.equal(door.tunnels, 0);
});

test('a thousand tunnels hold little memory, and leave nothing open', async (t) => {
  const count = 1_000;
  const target = await echo(t);
  const door = await openDoor(t, target);
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const openBefore = descriptors();
  const memory = () => {
    globalThis.gc?.();
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    return heapUsed + external + arrayBuffers;
  };
  const before = memory();
  const tunnels: Socket[] = [];
  for (let made = 0; made < count; made += 50) {
    const some = await Promise.all(Array.from({ length: 50 }, () => askConnect(door.port, `127.0.0.1:${target}`)));
    for (const { socket } of some) tunnels.push(socket);
  }
  const said = await Promise.all(
    tunnels.map(async (socket) => {
      socket.write('x');
      const [data] = await once(socket.resume(), 'data');
      return String(data);
    }),
  );
  assert.deepEqual(new Set(said), new Set(['x']));
  assert.equal(door.tunnels, count);
  // Four sockets of each are in this process: the client's, both of the tunnel, the target's.
  const eachBytes = (memory() - before) / count;
  assert.ok(eachBytes < 64 * 1024, `a tunnel holds ${Math.round(eachBytes)} bytes`);
  const closed = tunnels.map((socket) => closeOf(socket));
  for (const socket of tunnels) socket.end();
  await Promise.all(closed);
  await door.left();
  assert.ok(descriptors() <= openBefore + 5, `${descriptors()} descriptors are open, ${openBefore} were`);
});
