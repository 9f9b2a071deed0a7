import http, { type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Log } from '../../util/log/log.ts';
import type { Clock } from '../../util/time/clock.ts';
import { createTlsServer, type DoorTls } from '../tls/tls-server.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { Connections } from './connections.ts';
import { type DoorLimits, defaultDoorLimits } from './door-limits.ts';
import type { Listener } from './listener.ts';

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

// No client of registries asks again on a connection before it has its answer. Of those that may, each answer holds two
// buffers, which multiplies what all connections of a door take; and hundreds of requests fit into what is read at once.
const maxUnderWay = 4;

/** What a door is opened with. */
export interface DoorTools {
  /** What it is called in the log. */
  readonly name: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly limits?: DoorLimits;
  readonly tls?: DoorTls | undefined;
  readonly taken?: DoorConnections;
}

/**
 * Opens a door.
 * @throws the system's error when the address cannot be listened on (EADDRINUSE, EACCES, EADDRNOTAVAIL)
 */
export async function openDoor(
  address: { readonly host: string; readonly port: number },
  listener: Listener,
  { limits = defaultDoorLimits, tls, taken, name, log, clock }: DoorTools,
): Promise<OpenDoor> {
  const limited: Listener = (request, response) => {
    if (connections.underWay(request.socket) >= maxUnderWay) return void request.socket.destroy();
    listener(request, response);
  };
  const { server, handshakes } = makeServer(limited, limits, tls, taken !== undefined);
  const connections = new Connections(server, tls === undefined ? 'connection' : 'secureConnection');
  const limit = new ConnectionLimit({
    ...{ door: name, log, clock, maxCount: limits.maxConnections },
    takeIdle: (isMeant) => connections.takeIdle(isMeant),
  });
  let isCounted = false; // with the connection beneath it
  server.on('connection', (socket: Socket) => {
    if (!isCounted) limit.admit(socket);
  });
  if (taken) {
    server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      // An answer that is yet to come would be written between what goes through the tunnel.
      if (connections.release(socket) > 0) return void socket.destroy();
      taken.connect(request, socket, head);
    });
  }
  const { address: host, port } = await listenAt(server, address);
  // The system may be short of memory for one connection: the others are served, and the next may be, too.
  server.on('error', (error) => log.error({ door: name, reason: error.message }, 'a connection cannot be taken'));
  return {
    ...{ host, port },
    serve(connection) {
      isCounted = true;
      server.emit('connection', connection);
      isCounted = false;
    },
    close(graceMs) {
      const closed = connections.close(graceMs);
      handshakes?.end();
      return closed;
    },
  };
}

/** Makes the server of a door, with everything that node:http limits. */
function makeServer(listener: Listener, limits: DoorLimits, tls: DoorTls | undefined, isTaken: boolean) {
  const options = {
    // Of a connection that is taken over, thousands may be held by those who do not read.
    highWaterMark: (isTaken ? 64 : 1024) * 1024,
    keepAliveTimeout: limits.keepAliveMs,
    headersTimeout: limits.headMs,
    requestTimeout: 0, // a push takes as long as its bytes take to come; see `request-body.ts`
    connectionsCheckingInterval: limits.checkMs,
  };
  const made =
    tls === undefined
      ? { server: http.createServer(options, listener), handshakes: undefined }
      : createTlsServer({ ...options, handshakeTimeout: limits.headMs }, listener, tls);
  const { server } = made;
  server.timeout = limits.idleMs;
  // Without a listener node:http says "100 Continue" by itself; here `request-body.ts` does, when the body is wanted.
  server.on('checkContinue', (request, response) => void server.emit('request', request, response));
  return made;
}

function listenAt(server: Server, { host, port }: { readonly host: string; readonly port: number }) {
  return new Promise<AddressInfo>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}
