import type { Socket } from 'node:net';

/** What came through a tunnel. */
export interface TunnelEnd {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Two connections that are joined. */
export interface Tunnel {
  /** Resolves when both have ended. */
  readonly ended: Promise<TunnelEnd>;
  /** Ends it when nothing comes for so long, from now on. */
  endWhenIdle(idleMs: number): void;
  /** Ends it now. */
  break(): void;
}

/**
 * Joins two connections until both have ended, one breaks, or nothing comes for `idleMs`. Each direction ends by itself:
 * a client that has said all may still be answered. Only what is on its way is held, as each waits for the other.
 */
export function joinSockets(client: Socket, server: Socket, head: Buffer, idleMs: number): Tunnel {
  const { promise: ended, resolve } = Promise.withResolvers<TunnelEnd>();
  const end = () => {
    client.destroy();
    server.destroy();
    resolve({ sentBytes: server.bytesWritten, receivedBytes: server.bytesRead });
  };
  const sockets = [client, server];
  for (const socket of sockets) {
    socket.setTimeout(idleMs);
    socket.on('timeout', end);
    socket.on('error', end); // what happened to it is for its two ends to say
    socket.on('close', () => {
      // Closed by itself after both its directions ended; the other side has its end by then.
      if (socket.errored || !socket.readableEnded) end();
      else if (client.destroyed && server.destroyed) end();
    });
  }
  if (head.length > 0) server.write(head);
  client.pipe(server);
  server.pipe(client);
  return {
    ended,
    endWhenIdle(limitMs) {
      for (const socket of sockets) socket.setTimeout(limitMs);
    },
    break: end,
  };
}
