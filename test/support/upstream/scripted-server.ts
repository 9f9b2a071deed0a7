import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** One connection of a client, in the hands of a script. */
export interface ScriptedConnection {
  readonly socket: Socket;
  /** The head of the next request, up to its blank line; undefined when the client has ended. */
  request(): Promise<string | undefined>;
  /** Sends bytes as they are, and resolves when the system has taken them. */
  send(bytes: string | Uint8Array): Promise<void>;
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;
}

/** A server that answers nothing but what its script sends. */
export interface ScriptedServer {
  readonly url: string;
  readonly port: number;
  /** How many connections came so far. */
  readonly connectionsOpened: number;
  close(): Promise<void>;
}

/** Starts a server on loopback, whose script is run for each connection, with its number from 0 on. */
export async function startScriptedServer(
  script: (connection: ScriptedConnection, index: number) => Promise<void> | void,
): Promise<ScriptedServer> {
  const sockets = new Set<Socket>();
  let opened = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy()); // the client may reset
    // A script that fails leaves its client without an answer, which is what the test then sees.
    Promise.resolve(script(scriptedConnection(socket), opened++)).catch(() => socket.destroy());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get connectionsOpened() {
      return opened;
    },
    close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      for (const socket of sockets) socket.destroy();
      return closed;
    },
  };
}

function scriptedConnection(socket: Socket): ScriptedConnection {
  let text = '';
  let ended = false;
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
  });
  socket.on('end', () => {
    ended = true;
  });
  return {
    socket,
    closed,
    async request() {
      for (;;) {
        const end = text.indexOf('\r\n\r\n');
        if (end >= 0) {
          const head = text.slice(0, end + 4);
          text = text.slice(end + 4);
          return head;
        }
        if (ended || socket.destroyed) return undefined;
        await Promise.race([once(socket, 'data'), once(socket, 'end'), closed]);
      }
    },
    send: (bytes) => new Promise((resolve) => socket.write(bytes, () => resolve())),
  };
}

/**
 * A port on which nobody listens, and another. The system gives neither out by itself, as it does one that was listened on
 * a moment ago: to another test, and there upstream is that test's.
 */
export const [closedPort, otherClosedPort] = [1, 2];

/** Lets the event loop turn for a while, so that whatever was sent so far has been read, and acted upon, in this process. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** An answer with a length. */
export function lengthAnswer(body: string, head = 'HTTP/1.1 200 OK'): string {
  return `${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
