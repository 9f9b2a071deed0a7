import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

// Long enough for the answer to cross any network; what the client still sends is read that long, and thrown away, as
// a connection that is closed on unread bytes is reset, and the answer lost.
const lingerMs = 2_000;

/** What a client of CONNECT is told instead of being connected; the connection ends with it, whatever the client does. */
export function refuseConnect(
  socket: Duplex,
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = `${message}\n`;
  const fields = {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    ...headers,
  };
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => {}); // it may have gone; nobody is left to be told
  const limit = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(limit));
  socket.resume();
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n${head.join('')}\r\n${body}`);
}

/** That the client is connected. */
export const established = 'HTTP/1.1 200 Connection established\r\n\r\n';
