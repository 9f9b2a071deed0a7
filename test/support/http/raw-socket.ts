import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A connection that a test writes HTTP to, byte by byte, and reads as text. */
export interface RawSocket {
  readonly socket: Socket;
  /** All that has come so far. */
  readonly text: string;
  write(text: string | Buffer): void;
  /** Resolves with all that has come, once the pattern is in it; rejects when the connection ends before. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves with all that has come, once the connection is closed, by whomever. */
  readonly closed: Promise<string>;
}

/** Connects to a port of loopback. With `allowHalfOpen`, it goes on sending when the other side has ended. */
export async function connectRaw(port: number, options: { readonly allowHalfOpen?: boolean } = {}): Promise<RawSocket> {
  const socket = connect({ port, host: '127.0.0.1', ...options });
  let text = '';
  let isClosed = false;
  let wake = () => {};
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
    wake();
  });
  const closed = new Promise<string>((resolve) =>
    socket.on('close', () => {
      isClosed = true;
      wake();
      resolve(text);
    }),
  );
  await once(socket, 'connect');
  socket.on('error', () => {}); // a reset is one way to be closed
  return {
    socket,
    get text() {
      return text;
    },
    write: (bytes) => void socket.write(bytes),
    async until(pattern) {
      while (!pattern.test(text)) {
        if (isClosed) throw new Error(`Closed before ${pattern} came: ${JSON.stringify(text)}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return text;
    },
    closed,
  };
}
