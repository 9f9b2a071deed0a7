import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** What came through a tunnel. */
export interface TunnelEnd {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/**
 * Joins two connections until both have ended, one breaks, or nothing comes for `idleMs`. Each direction ends by itself:
 * a client that has said all may still be answered. Only what is on its way is held, as each waits for the other.
 */
export function joinSockets(client: Socket, server: Socket, head: Buffer, idleMs: number): Promise<TunnelEnd> {
  return new Promise((resolve) => {
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      client.destroy();
      server.destroy();
      resolve({ sentBytes: server.bytesWritten, receivedBytes: server.bytesRead });
    };
    for (const socket of [client, server]) {
      socket.setTimeout(idleMs, end);
      socket.on('error', end); // what happened to it is for its two ends to say
      socket.on('close', () => {
        // Closed by itself after both its directions ended; the other side has its end by then.
        if (socket.errored || !socket.readableEnded) end();
        else if (client.destroyed && server.destroyed) end();
      });
    }
    if (head.length > 0) server.write(head);
    pass(client, server);
    pass(server, client);
  });
}

function pass(from: Duplex, to: Duplex): void {
  from.pipe(to);
}
