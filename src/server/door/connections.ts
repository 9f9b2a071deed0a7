import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The connections of a server, and how many answers each has under way. node:http's own notion of an idle connection is
 * no use for stopping: it takes one for idle whose answer is not yet with the system, and never looks again at one that
 * becomes idle later.
 */
export class Connections {
  readonly #server: Server;
  readonly #underWay = new Map<Socket, number>();
  #closing = false;

  /** @param begins the event of a connection on which requests can come */
  constructor(server: Server, begins: 'connection' | 'secureConnection') {
    this.#server = server;
    server.on(begins, (socket: Socket) => {
      this.#underWay.set(socket, 0);
      socket.once('close', () => this.#underWay.delete(socket));
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#count(request.socket, 1);
      response.once('close', () => this.#count(request.socket, -1));
    });
    server.closeIdleConnections = () => this.#endIdle(); // what `close` calls first
  }

  /**
   * Lets go of the connection that has been without an answer under way for longest, as one that will be ended.
   * @param isMeant which of them are meant
   */
  takeIdle(isMeant: (socket: Socket) => boolean): Socket | undefined {
    for (const [socket, count] of this.#underWay) {
      if (count > 0 || !isMeant(socket)) continue;
      this.#underWay.delete(socket);
      return socket;
    }
    return undefined;
  }

  /** How many answers are under way on a connection. */
  underWay(socket: Socket): number {
    return this.#underWay.get(socket) ?? 0;
  }

  /**
   * Lets go of a connection on which no more requests come: it is somebody else's to end.
   * @returns how many answers it waits for
   */
  release(socket: Socket): number {
    const count = this.underWay(socket);
    this.#underWay.delete(socket);
    return count;
  }

  /** Takes no more connections, ends each when it has no answer under way, and breaks off what takes longer. */
  close(graceMs: number): Promise<void> {
    this.#closing = true;
    return new Promise((resolve) => {
      const limit = setTimeout(() => this.#server.closeAllConnections(), graceMs);
      this.#server.close(() => {
        clearTimeout(limit);
        resolve();
      });
    });
  }

  #count(socket: Socket, change: 1 | -1): void {
    const before = this.#underWay.get(socket);
    if (before === undefined) return; // it is closed
    if (before + change === 0) this.#underWay.delete(socket); // so that it stands behind those that were idle before
    this.#underWay.set(socket, before + change);
    if (this.#closing) this.#endIdle();
  }

  #endIdle(): void {
    for (const [socket, count] of this.#underWay) if (count === 0) socket.destroySoon();
  }
}
