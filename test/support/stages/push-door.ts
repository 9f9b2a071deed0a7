import type { TestContext } from 'node:test';
import { freeAccess } from '../../../src/access/free-access.ts';
import { hostedRegistryName } from '../../../src/oci/hosted.ts';
import { routeToOne } from '../../../src/server/routing/routing.ts';
import { connectRaw } from '../http/raw-socket.ts';
import { MemoryPushable } from '../memory/memory-pushable.ts';
import { MemoryRegistry } from '../memory/memory-registry.ts';
import { openTestDoor, type TestDoor, type TestDoorOptions } from './test-door.ts';

/** A way by which clients come to the hosted registry. */
export interface Way {
  /** What stands before the name of a repository. */
  readonly root: string;
  /** What stands after the path, with its question mark. */
  readonly query: string;
  readonly host: string;
  readonly door: 'hosted' | 'registry';
}

/** Every way by which clients come to the hosted registry. */
export const ways: Readonly<Record<string, Way>> = {
  'the hosted door': { root: '/v2/', query: '', host: 'localhost:5001', door: 'hosted' },
  'the hosted door, with its ns': { root: '/v2/', query: '?ns=localhost%3A5001', host: '127.0.0.1', door: 'hosted' },
  'the alias in the name': { root: '/v2/hosted.entrepot/', query: '', host: 'localhost', door: 'registry' },
  'the alias before /v2/': { root: '/hosted.entrepot/v2/', query: '', host: 'localhost', door: 'registry' },
  ns: { root: '/v2/', query: '?ns=localhost%3A5001', host: 'localhost', door: 'registry' },
  'the Host': { root: '/v2/', query: '', host: 'localhost:5001', door: 'registry' },
};

/** An answer as it came. */
export interface PushAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: string;
}

/** A door over a registry in memory that is pushed to. */
export interface PushDoor {
  readonly door: TestDoor;
  readonly registry: MemoryPushable;
  /** A path of the hosted registry's, from what follows `/v2/`. */
  path(rest: string): string;
  /** Sends one request on a connection of its own. */
  send(method: string, path: string, options?: SendOptions): Promise<PushAnswer>;
}

/** What a request has beside its method and path. */
export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent with its length, or in chunks when there are several. */
  readonly body?: string | Buffer | readonly (string | Buffer)[];
}

/** Opens a door over a registry that is pushed to, beside one that is not. */
export async function openPushDoor(
  t: TestContext,
  way: Way = ways['the hosted door']!,
  options: TestDoorOptions & { readonly registry?: MemoryPushable } = {},
): Promise<PushDoor> {
  const { registry = new MemoryPushable(), ...others } = options;
  const names = ['localhost:5001'];
  const hosted = {
    ...{ name: hostedRegistryName, alias: hostedRegistryName, names, hosts: names },
    ...{ registry, pushable: registry },
  };
  const door = await openTestDoor(t, {
    registries: [{ name: 'origin.test', registry: new MemoryRegistry() }, hosted],
    ...(way.door === 'hosted' ? { routing: (all) => routeToOne(all.find(({ pushable }) => pushable)!) } : {}),
    access: { access: freeAccess(new Set([way.door])), door: way.door },
    ...others,
  });
  return {
    door,
    registry,
    path(rest) {
      const [path, query] = rest.split('?', 2);
      const joined = query === undefined ? way.query : `${way.query === '' ? '?' : `${way.query}&`}${query}`;
      return `${way.root}${path}${joined}`;
    },
    send: (method, path, sent) => sendRaw(door.port, method, path, { host: way.host, ...sent?.headers }, sent?.body),
  };
}

/** Sends one request on a connection of its own, and gives its answer. */
export async function sendRaw(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: SendOptions['body'],
): Promise<PushAnswer> {
  const pieces = Array.isArray(body) ? body : [];
  const whole = Array.isArray(body) || body === undefined ? undefined : Buffer.from(body as Buffer);
  const framing: Record<string, string> = Array.isArray(body) ? { 'transfer-encoding': 'chunked' } : {};
  if (whole) framing['content-length'] = String(whole.length);
  const lines = Object.entries({ ...headers, ...framing, connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const socket = await connectRaw(port);
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  if (whole) socket.write(whole);
  for (const piece of pieces) {
    socket.write(`${piece.length.toString(16)}\r\n`);
    socket.write(piece);
    socket.write('\r\n');
  }
  if (Array.isArray(body)) socket.write('0\r\n\r\n');
  return parseAnswer(await socket.closed);
}

/** Reads the text of an answer, without what every answer has: the date, and the headers of connections. */
export function parseAnswer(text: string): PushAnswer {
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers: Record<string, string | string[]> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (commonHeaders.has(name)) continue;
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return { status: Number(first.split(' ')[1]), headers, body: text.slice(end + 4) };
}

const commonHeaders = new Set([
  'date',
  'connection',
  'keep-alive',
  'docker-distribution-api-version',
  'x-content-type-options',
]);
