import {
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
  request as send,
} from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { TLSSocket } from 'node:tls';
import { authorityOf } from './connect/target.ts';
import type { ForwardedRequest } from './forwarded.ts';

// RFC 9110, 7.6.1: what is between two neighbours only; and what is for this proxy alone.
const ownFields = [
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
  ...['proxy-authorization', 'proxy-authenticate'],
];

const unwantedMs = 60_000; // as at every door

/**
 * Passes a request on, and its answer back, over a connection of its own, which is closed after it.
 * @throws what either side failed with
 */
export async function forwardRequest(
  request: IncomingMessage,
  response: ServerResponse,
  { target, path }: ForwardedRequest,
  connection: Socket,
  idleMs: number,
): Promise<void> {
  try {
    await passOn(request, response, { target, path }, connection, idleMs);
  } catch (error) {
    connection.destroy(); // also when what came by it cannot be sent on: it would go on coming
    throw error;
  }
}

async function passOn(
  request: IncomingMessage,
  response: ServerResponse,
  { target, path }: ForwardedRequest,
  connection: Socket,
  idleMs: number,
): Promise<void> {
  const host = authorityOf(target, connection instanceof TLSSocket ? 443 : 80);
  const outgoing = send({
    createConnection: () => connection,
    method: request.method ?? 'GET',
    path,
    headers: { ...endToEnd(request), ...framingOf(request), host, connection: 'close' },
    setHost: false,
  });
  outgoing.once('continue', () => response.writeContinue()); // a client that waits for it sends no body before
  connection.setTimeout(idleMs, () => connection.destroy(new Error('nothing came for too long')));
  const leave = () => void outgoing.destroy();
  response.once('close', leave);
  request.pipe(outgoing); // it is not waited for: who is refused may never send its body
  outgoing.once('close', () => passOver(request)); // by now it is no pipe any more
  const answer = await answerOf(outgoing);
  response.off('close', leave); // from here on the answer is broken off with it
  response.writeHead(answer.statusCode ?? 502, endToEnd(answer));
  await pipeline(answer, response);
}

/**
 * Reads what nobody wants any more of a body, for a while: the other side may have answered before it had all of it, and
 * there are clients that read no answer before they have sent everything.
 */
function passOver(request: IncomingMessage): void {
  const { socket } = request;
  if (request.complete || request.destroyed || socket.destroyed) return;
  const limit = setTimeout(() => socket.destroy(), unwantedMs);
  const settle = () => {
    clearTimeout(limit);
    socket.off('close', settle);
  };
  request.once('end', settle);
  socket.once('close', settle);
  request.resume();
}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.on('error', reject); // also after the answer, when nobody waits for it: the other side may want no more
  });
}

/** How the body is sent on: Node puts no frame around that of a GET by itself, and it would be read as a request. */
function framingOf({ headers }: IncomingMessage): OutgoingHttpHeaders {
  return headers['transfer-encoding'] === undefined ? {} : { 'transfer-encoding': 'chunked' };
}

/**
 * The fields that are meant for the other end. A body of no known length goes on in chunks, as it came; and no `Connection`
 * takes its length from one that has: it would be read as a request.
 */
function endToEnd({ headers }: IncomingMessage): OutgoingHttpHeaders {
  const named = (headers.connection ?? '').toLowerCase().split(/\s*,\s*/);
  const dropped = new Set([...ownFields, ...named]);
  dropped.delete('content-length');
  const kept = Object.entries(headers).filter(([name]) => !dropped.has(name));
  return Object.fromEntries(kept);
}
