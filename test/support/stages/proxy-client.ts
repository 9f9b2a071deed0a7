import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';

/** What a proxy answered to CONNECT. */
export interface ConnectAnswer {
  readonly status: number;
  readonly head: string;
  /** The connection, on which nothing was read behind the head. */
  readonly socket: Socket;
}

/** Sends a head to a proxy, and waits for the head of the answer. */
export function askProxy(port: number, head: string): Promise<ConnectAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const read = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', read);
      socket.pause();
      if (text.length > end + 4) socket.unshift(Buffer.from(text.slice(end + 4), 'latin1'));
      resolve({ status: Number(text.split(' ')[1]), head: text.slice(0, end), socket });
    };
    socket.on('data', read);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`the proxy closed the connection after ${JSON.stringify(text)}`)));
    socket.write(head);
  });
}

/** Asks a proxy to be connected with a host and port, as clients do. */
export function askConnect(
  port: number,
  authority: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<ConnectAnswer> {
  const fields = Object.entries({ host: authority, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return askProxy(port, `CONNECT ${authority} HTTP/1.1\r\n${fields.join('')}\r\n`);
}

/** Shakes hands on a connection. */
export function shakeHands(socket: Socket, options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connectTls({ socket, ...options }, () => resolve(secure));
    secure.once('error', reject);
    secure.once('close', () => reject(new Error('the connection was closed during the handshake')));
  });
}

/** Sends one request on a connection that ends with it, and gives the whole answer. */
export function exchange(socket: Socket, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => parts.push(chunk));
    socket.once('end', () => resolve(Buffer.concat(parts).toString('latin1')));
    socket.once('error', reject);
    socket.write(request);
    socket.resume(); // it was paused behind the proxy's answer
  });
}
