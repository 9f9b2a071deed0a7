import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Log } from '../../util/log/log.ts';

const plainHttpAnswer = [
  'HTTP/1.1 400 Bad Request',
  'content-type: text/plain; charset=utf-8',
  'connection: close',
  '',
  'This door speaks TLS: ask with https://\n',
].join('\r\n');

/** The connections of a server on which TLS is still being agreed, and what is said of those on which it fails. */
export class Handshakes {
  // By their ends: the server tells of a connection before TLS and after it by two different sockets.
  readonly #underWay = new Map<string, Socket>();

  constructor(server: Server, door: string, log: Log) {
    server.on('connection', (socket: Socket) => {
      const ends = endsOf(socket);
      this.#underWay.set(ends, socket);
      socket.once('close', () => {
        if (this.#underWay.get(ends) === socket) this.#underWay.delete(ends);
      });
    });
    server.on('secureConnection', (socket) => this.#underWay.delete(endsOf(socket)));
    // Before the server itself, which then ends the connection.
    server.prependListener('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      const client = socket.remoteAddress;
      const { code, message } = error;
      if (code !== 'ERR_SSL_HTTP_REQUEST') {
        const reason = socket.authorizationError ?? code ?? message;
        log.debug({ door, client, reason: String(reason) }, 'TLS handshake failed');
        return;
      }
      log.debug({ door, client }, 'plain HTTP at a door of TLS');
      this.#underWay.get(endsOf(socket))?.write(plainHttpAnswer);
    });
  }

  /** Ends them all. */
  end(): void {
    for (const socket of this.#underWay.values()) socket.destroy();
  }
}

function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return [localAddress, localPort, remoteAddress, remotePort].join(' ');
}
