import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** What a client of CONNECT is told instead of being connected; the connection ends with it. */
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
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n${head.join('')}\r\n${body}`);
}

/** That the client is connected. */
export const established = 'HTTP/1.1 200 Connection established\r\n\r\n';
