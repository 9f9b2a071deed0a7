import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../util/time/clock.ts';
import type { RequestRecord } from '../answer/record.ts';
import { piecesOf } from './body-pieces.ts';
import { watchProgress } from './least-progress.ts';

/** The body of a request. It is read once, or left; what was not read to its end is left, too. */
export interface RequestBody {
  /** How large it is; undefined when the client did not say. */
  readonly sizeBytes: number | undefined;
  /**
   * Its bytes as they come, each piece until the next is asked for: then its memory is given back. Only now a client that
   * waits for "100 Continue" is told to send them.
   * @throws RegistryError BLOB_UPLOAD_INVALID, status 408, when hardly anything comes; that the client broke off
   */
  read(): AsyncIterable<Uint8Array>;
  /** Sees to it that the client gets the answer although its body is not wanted. Called before the head goes out. */
  leave(): void;
}

/** How long a body may take. */
export interface BodyLimits {
  /** One that is not wanted, as a whole, in milliseconds. */
  readonly unwantedMs: number;
  /** What tells how slowly one comes that is wanted. */
  readonly clock: Clock;
}

// Reading so much costs less than a new connection.
const maxSkippedBytes = 64 * 1024;

// For so long a client that still sends may take to read that it need not: were the connection closed at once, the
// system would answer its next bytes with a reset, which takes the answer away from it.
const lingerMs = 10_000;

// Between the last byte of a body and the answer nothing passes on the connection: a blob of hundreds of GB may have to
// be read again to be hashed. Longer than this, something is stuck.
const maxWorkMs = 60 * 60_000;

const noBody: RequestBody = { sizeBytes: 0, async *read() {}, leave() {} };

/** The body of a request, which nobody has begun to read. What is read of it is noted in the record. */
export function bodyOf(
  request: IncomingMessage,
  response: ServerResponse,
  record: RequestRecord,
  limits: BodyLimits,
): RequestBody {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  if (coding === undefined && (length === undefined || Number(length) === 0)) return noBody;
  const sizeBytes = coding === undefined ? Number(length) : undefined;
  // HTTP/1.0 has no such answer (RFC 9110, 10.1.1).
  let isWaiting = request.httpVersion === '1.1' && /\b100-continue\b/i.test(request.headers.expect ?? '');
  async function* read(): AsyncIterable<Uint8Array> {
    if (isWaiting) response.writeContinue();
    isWaiting = false;
    const slow = new AbortController();
    const progress = watchProgress(limits.clock, (error) => slow.abort(error));
    try {
      for await (const bytes of piecesOf(request, slow.signal)) {
        progress.came(bytes.length);
        record.receivedBytes += bytes.length;
        yield bytes;
        progress.waits();
      }
    } finally {
      progress.end();
    }
    request.socket.setTimeout(maxWorkMs); // the next request on this connection has its own limit again
  }
  let isLeft = false;
  const leave = () => {
    if (isLeft || request.complete || request.destroyed) return;
    isLeft = true;
    limitTime(request, limits.unwantedMs);
    request.resume();
    if (!isWaiting && sizeBytes !== undefined && sizeBytes <= maxSkippedBytes) return;
    if (!response.headersSent) response.setHeader('connection', 'close');
    lingerAtEnd(request);
  };
  return { sizeBytes, read, leave };
}

function limitTime(request: IncomingMessage, ms: number): void {
  const { socket } = request;
  const limit = setTimeout(() => socket.destroy(), ms);
  const settle = () => {
    clearTimeout(limit);
    socket.off('close', settle);
  };
  request.once('end', settle);
  // Not that of the request: node:http forgets one that was answered, and tells it nothing more.
  socket.once('close', settle);
}

/** Has a connection end in two steps: first no more from here, and when the client has sent all or has gone, altogether. */
function lingerAtEnd(request: IncomingMessage): void {
  const { socket } = request;
  const destroySoon = socket.destroySoon.bind(socket);
  socket.destroySoon = () => {
    socket.destroySoon = destroySoon;
    if (request.complete) return destroySoon();
    request.once('end', destroySoon);
    const limit = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(limit));
    socket.end();
    socket.resume();
  };
}
