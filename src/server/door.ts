import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { RegistryError } from '../oci/errors.ts';
import type { Log } from '../util/log/log.ts';
import type { Metrics } from '../util/metrics/metrics.ts';
import type { Clock } from '../util/time/clock.ts';
import type { Admin } from './admin/admin.ts';
import { type Exchange, sendError } from './answer/exchange.ts';
import type { Probes } from './answer/probes.ts';
import { newRecord, type RequestRecord } from './answer/record.ts';
import { Connections } from './connections.ts';
import { bodyOf } from './push/request-body.ts';
import type { RegistryHandler } from './registry-handler.ts';
import { splitPath } from './registry-path.ts';
import { createTlsServer, type DoorTls } from './tls/tls-server.ts';

/** What a door is made of. */
export interface DoorOptions {
  readonly registry: RegistryHandler;
  readonly admin: Admin;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly limits?: DoorLimits;
  /** What notes the requests that ask which way they go. */
  readonly probes?: Probes;
}

/** What a door does with connections that do not stay its own. */
export interface DoorConnections {
  /** Takes over the connection of a CONNECT request, with what came after its head. */
  connect(request: IncomingMessage, socket: Socket, head: Buffer): void;
}

/** A door that is open. */
export interface OpenDoor {
  /** Serves the requests of a connection that came another way, as if it had come by this door. */
  serve(connection: Socket): void;
  readonly host: string;
  readonly port: number;
  /** Takes no more connections, lets answers end for so long, then breaks them off. */
  close(graceMs: number): Promise<void>;
}

/** How long a client may take, in milliseconds. */
export interface DoorLimits {
  /** From connecting, or from the first byte of a request, until its head is whole; and for a handshake of TLS. */
  readonly headMs: number;
  /** From its head on, until a body that is not wanted is whole. For one that is wanted, see `least-progress.ts`. */
  readonly requestMs: number;
  /** Between two reads or writes of a connection on which an answer is under way. */
  readonly idleMs: number;
  /** Between an answer and the next request. */
  readonly keepAliveMs: number;
  /** How often heads and bodies are looked at. */
  readonly checkMs: number;
}

/** What every client keeps to that means well. */
export const defaultDoorLimits: DoorLimits = {
  headMs: 20_000, // a head is one packet or two: whoever takes longer holds a descriptor, and means nothing by it
  requestMs: 60_000, // enough for what is small, and of what is large nobody needs the rest
  idleMs: 5 * 60_000, // a client that neither reads nor writes for so long has gone without saying so
  keepAliveMs: 75_000, // above the 60 s of the balancers in front of us, lest one sends into a connection that we end
  checkMs: 5_000,
};

// No client of registries asks again on a connection before it has its answer. Of those that may, each answer holds a
// buffer, and hundreds of requests fit into what is read at once.
const maxUnderWay = 16;

const maxUrlLength = 8 * 1024; // far above any name, digest and query of the spec

/** What is known of a request when it is over. */
interface Ending {
  readonly status: number;
  readonly bytes: number;
  readonly ms: number;
  readonly client: string | undefined;
}

/** One line in the log for each request that was answered or given up. */
function logRequest(log: Log, method: string, record: RequestRecord, { status, bytes, ms, client }: Ending): void {
  const { route, registry, repository, reference, cache, receivedBytes, user, error } = record;
  const facts = {
    ...{ method, route, registry, repository, reference, status, bytes, ms, cache, client },
    ...(receivedBytes === 0 ? {} : { received: receivedBytes }),
    ...(user === undefined ? {} : { user }),
    ...(error === undefined ? {} : { error: (error as Error).message }),
  };
  // Under this key, and no other, pino writes an error with its stack and causes.
  if (status >= 500 && status !== 502 && status !== 503) log.error({ ...facts, err: error }, 'request');
  else if (route === 'admin') log.debug(facts, 'request');
  else log.info(facts, 'request');
}

/** Makes what answers the requests of a door. */
export function createListener(options: DoorOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const { log, metrics, probes, clock, limits = defaultDoorLimits } = options;
  return (request, response) => {
    if (request.socket.writableEnded) return; // it came after one whose answer ended the connection
    const beganAtMs = performance.now();
    const writtenBefore = request.socket.bytesWritten;
    const client = request.socket.remoteAddress; // a socket that is closed does not know it any more
    const method = request.method!;
    const record = newRecord();
    const body = bodyOf(request, response, record, { unwantedMs: limits.requestMs, clock });
    const exchange = { request, response, body, record };
    response.once('close', () => {
      const ms = Math.round((performance.now() - beganAtMs) * 10) / 10;
      const { cache, route } = record;
      const registry = record.registry ?? '';
      const status = statusOf(response, record);
      const bytes = bodyBytes(request, response, record, writtenBefore);
      metrics.requests.inc({ method, route, registry, status, cache });
      metrics.requestSeconds.observe({ route, cache }, ms / 1000);
      if (bytes > 0) metrics.servedBytes.inc({ registry, cache }, bytes);
      probes?.note(record, status);
      logRequest(log, method, record, { status, bytes, ms, client });
    });
    answer(options, exchange).catch((error: unknown) => answerError(exchange, error));
  };
}

/** The status that was sent; of an answer that was broken off, what tells why. */
function statusOf(response: ServerResponse, { error }: RequestRecord): number {
  if (response.writableFinished) return response.statusCode;
  // 499 is nginx's number for a client that left before its answer was whole; people search their logs for it.
  return error === undefined ? 499 : asRegistryError(error).status;
}

function answerError(exchange: Exchange, error: unknown): void {
  const { response, record } = exchange;
  record.error = error;
  if (response.destroyed) return; // the client has gone
  try {
    sendError(exchange, asRegistryError(error));
  } catch (unsendable) {
    // An upstream's own header field may come with an error, and not every byte that we read may be written.
    record.error = unsendable;
    sendError(exchange, asRegistryError(unsendable));
  }
}

async function answer({ registry, admin }: DoorOptions, exchange: Exchange): Promise<void> {
  const { request, response, record } = exchange;
  const url = request.url!;
  if (url.length > maxUrlLength) throw new RegistryError('NAME_INVALID', 'Cannot read the URL: it is too long');
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  const registryPath = splitPath(path);
  if (registryPath) return registry.handle(exchange, registryPath, query);
  const token = registry.giveToken(exchange, path, query);
  if (token) return token;
  record.route = 'admin';
  response.setHeader('x-content-type-options', 'nosniff');
  await admin(exchange, path, query);
}

// The socket counts heads, too; what is left of a connection that was used before is not ours.
function bodyBytes(
  request: IncomingMessage,
  response: ServerResponse,
  record: RequestRecord,
  writtenBefore: number,
): number {
  if (request.method === 'HEAD' || response.statusCode === 304 || response.statusCode === 204) return 0;
  const lengthBytes = record.lengthBytes ?? response.getHeader('content-length');
  if (response.writableFinished && lengthBytes !== undefined) return Number(lengthBytes);
  return Math.max(0, request.socket.bytesWritten - writtenBefore);
}

function asRegistryError(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  return new RegistryError('INTERNAL', 'Something failed here; the log says what', { cause: error });
}

/**
 * Opens a door.
 * @throws the system's error when the address cannot be listened on (EADDRINUSE, EACCES, EADDRNOTAVAIL)
 */
export async function openDoor(
  address: { readonly host: string; readonly port: number },
  listener: ReturnType<typeof createListener>,
  limits: DoorLimits = defaultDoorLimits,
  tls?: DoorTls,
  taken?: DoorConnections,
): Promise<OpenDoor> {
  const options = {
    // Of a connection that is taken over, thousands may be held by those who do not read.
    highWaterMark: (taken ? 64 : 1024) * 1024,
    keepAliveTimeout: limits.keepAliveMs,
    headersTimeout: limits.headMs,
    requestTimeout: 0, // a push takes as long as its bytes take to come; see `request-body.ts` for those nobody wants
    connectionsCheckingInterval: limits.checkMs,
  };
  const limited: typeof listener = (request, response) => {
    if (connections.underWay(request.socket) >= maxUnderWay) return void request.socket.destroy();
    listener(request, response);
  };
  const { server, handshakes } =
    tls === undefined
      ? { server: http.createServer(options, limited), handshakes: undefined }
      : createTlsServer({ ...options, handshakeTimeout: limits.headMs }, limited, tls);
  server.timeout = limits.idleMs;
  // Without a listener node:http says "100 Continue" by itself; here `request-body.ts` does, when the body is wanted.
  server.on('checkContinue', (request, response) => void server.emit('request', request, response));
  const connections = new Connections(server, tls === undefined ? 'connection' : 'secureConnection');
  if (taken) {
    server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      // An answer that is yet to come would be written between what goes through the tunnel.
      if (connections.release(socket) > 0) return void socket.destroy();
      taken.connect(request, socket, head);
    });
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { address: host, port } = server.address() as AddressInfo;
  const close = (graceMs: number) => {
    const closed = connections.close(graceMs);
    handshakes?.end();
    return closed;
  };
  return { host, port, serve: (connection) => void server.emit('connection', connection), close };
}
