import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** What a server shows who it is with, and whom it lets in. */
export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
  /** With it, only clients with a certificate of this authority are let in. */
  readonly clientCa?: string;
}

/** Where a server listens. */
export interface ListenOptions {
  readonly host: string;
  readonly tls?: TlsOptions | undefined;
}

/** A server that listens, and whose sockets can be torn. */
export interface Listener {
  readonly url: string;
  /** Host and port. */
  readonly authority: string;
  /** How many connections clients have opened so far. */
  readonly connectionsOpened: number;
  /** How many of them are open now. */
  readonly connectionsOpen: number;
  /** Sends all that was written on this connection, then RST. */
  reset(socket: Socket): Promise<void>;
  /** Stops listening, and cuts every connection. */
  close(): Promise<void>;
}

/** Starts an HTTP or HTTPS server on a port that the system chooses. */
export async function listen(
  { host, tls }: ListenOptions,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Listener> {
  const server =
    tls === undefined
      ? createServer(handle)
      : createTlsServer(
          { cert: tls.cert, key: tls.key, ca: tls.clientCa, requestCert: tls.clientCa !== undefined },
          handle,
        );
  // An idle connection stays: when one is opened anew, the client decided so and a test may say that it should not.
  server.keepAliveTimeout = 0;
  const connections = trackConnections(server);
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, host, resolve);
  });
  const authority = `${host}:${(server.address() as AddressInfo).port}`;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${authority}`,
    authority,
    get connectionsOpened() {
      return connections.opened;
    },
    get connectionsOpen() {
      return connections.sockets.size;
    },
    async reset(socket) {
      const plain = connections.sockets.get(socket.remotePort ?? -1);
      if (plain === undefined) return;
      await sent(socket, plain);
      plain.resetAndDestroy();
    },
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of connections.sockets.values()) socket.destroy();
      return closed;
    },
  };
}

interface Connections {
  opened: number;
  /** By remote port, which names a TLS socket and the TCP socket below it alike. */
  readonly sockets: Map<number, Socket>;
}

function trackConnections(server: Server): Connections {
  const connections: Connections = { opened: 0, sockets: new Map() };
  // With TLS, this event brings the TCP socket below, the only one that can send RST.
  server.on('connection', (socket: Socket) => {
    connections.opened++;
    const port = socket.remotePort;
    if (port === undefined) return void socket.destroy(); // it has gone already
    connections.sockets.set(port, socket);
    socket.on('close', () => {
      if (connections.sockets.get(port) === socket) connections.sockets.delete(port); // a port may be in use again
    });
  });
  return connections;
}

const pollMs = 1; // the kernel tells nobody that a queue is empty, so it has to be asked

/**
 * Waits until the peer's kernel has all that was written. RST throws away what is still on its way, so without this
 * a client would see fewer bytes than the test says, now and then. Only Linux tells; elsewhere nobody waits.
 */
async function sent(socket: Socket, plain: Socket): Promise<void> {
  while (!plain.destroyed && (socket.writableLength > 0 || unsentBytes(plain) > 0)) await pause(pollMs);
}

const connectionTable = '/proc/net/tcp';

/** What the kernel has not brought to the peer. */
function unsentBytes(socket: Socket): number {
  if (!existsSync(connectionTable)) return 0;
  const ports = `${portInTable(socket.localPort)} [0-9A-F]{8}${portInTable(socket.remotePort)}`;
  const row = new RegExp(`${ports} [0-9A-F]{2} ([0-9A-F]{8}):`).exec(readFileSync(connectionTable, 'latin1'));
  return row === null ? 0 : Number.parseInt(row[1]!, 16);
}

function portInTable(port: number | undefined): string {
  return `:${(port ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
