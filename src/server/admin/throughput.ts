import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { RegistryError } from '../../oci/errors.ts';
import type { Exchange } from '../answer/exchange.ts';

/** Where the way between a client and here is measured. */
export const throughputPath = '/throughput';

/** How much measuring may take. */
export interface ThroughputLimits {
  /** Of one request, either way; 0 for no such path. */
  readonly maxBytes: number;
  /** How many requests at a time, of all clients. */
  readonly maxConcurrent: number;
}

/** Answers requests to measure. @throws RegistryError */
export type Throughput = (exchange: Exchange, query: string) => Promise<void>;

// Enough for any figure, and little beside the five minutes that a client may be idle otherwise.
const defaultMaxMs = 10_000;
const pieceBytes = 512 * 1024; // each costs three writes, of which two are some bytes; a connection holds no more than two

/**
 * Makes `/throughput`: GET says what is allowed, GET with `bytes=N` sends so many, POST and PUT take what is sent and say
 * how much it was. The bytes are random, as something in between may compress; they come in pieces, so that an answer
 * that takes too long ends as one that is whole. Nothing is stored.
 */
export function createThroughput({ maxBytes, maxConcurrent }: ThroughputLimits, maxMs = defaultMaxMs): Throughput {
  let running = 0;
  let piece: Buffer | undefined;

  async function within(exchange: Exchange, work: () => Promise<void>): Promise<void> {
    if (running >= maxConcurrent) {
      throw new RegistryError('TOOMANYREQUESTS', `Cannot measure now: ${maxConcurrent} requests do already`, {
        headers: { 'retry-after': '1' },
      });
    }
    running++;
    try {
      await work();
    } finally {
      running--;
      exchange.body.leave();
    }
  }

  return async (exchange, query) => {
    const { request, response } = exchange;
    const asked = new URLSearchParams(query).get('bytes');
    if (request.method === 'POST' || request.method === 'PUT') {
      return within(exchange, () => takeBytes(exchange, maxBytes, maxMs));
    }
    if (request.method !== 'GET') {
      throw new RegistryError('UNSUPPORTED', `Cannot ${request.method} here: GET, POST and PUT measure`, {
        headers: { allow: 'GET, POST, PUT' },
      });
    }
    if (asked === null) return sendJson(response, { maxBytes, maxConcurrent, maxMs });
    const count = readCount(asked, maxBytes);
    piece ??= randomBytes(pieceBytes);
    const bytes = piece;
    await within(exchange, () => sendBytes(response, bytes, count, maxMs));
  };
}

function readCount(text: string, maxBytes: number): number {
  const count = Number(text);
  if (/^\d{1,15}$/.test(text) && count >= 1 && count <= maxBytes) return count;
  throw new RegistryError(
    'SIZE_INVALID',
    `Cannot send "${text.slice(0, 40)}" bytes: expected a number from 1 to ${maxBytes}`,
  );
}

function sendJson(response: ServerResponse, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(200, { ...headers, 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

const headers = { 'cache-control': 'no-store', 'cache-status': 'Entrepot; detail=local' };

async function sendBytes(response: ServerResponse, piece: Buffer, count: number, maxMs: number): Promise<void> {
  response.writeHead(200, { ...headers, 'content-type': 'application/octet-stream' });
  const limit = AbortSignal.timeout(maxMs);
  for (let left = count; left > 0 && !limit.aborted && !response.destroyed; left -= piece.length) {
    const isTaken = response.write(left < piece.length ? piece.subarray(0, left) : piece);
    if (!isTaken) await drained(response, limit);
  }
  response.end();
}

/** Resolves when more can be written, when nobody reads any more, or when time is up. */
function drained(response: ServerResponse, limit: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      limit.removeEventListener('abort', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
    limit.addEventListener('abort', done);
  });
}

async function takeBytes({ request, response, body }: Exchange, maxBytes: number, maxMs: number): Promise<void> {
  if ((body.sizeBytes ?? 0) > maxBytes) throw tooLarge(maxBytes);
  // Who sends slower than that is of no use to anybody: its figure would be what it holds a place for.
  const limit = setTimeout(() => request.destroy(), maxMs);
  const beganAtMs = performance.now();
  let receivedBytes = 0;
  try {
    for await (const piece of body.read()) {
      receivedBytes += piece.length;
      if (receivedBytes > maxBytes) throw tooLarge(maxBytes);
    }
  } finally {
    clearTimeout(limit);
  }
  sendJson(response, { receivedBytes, ms: Math.round(performance.now() - beganAtMs) });
}

function tooLarge(maxBytes: number): RegistryError {
  return new RegistryError('SIZE_INVALID', `Cannot take more than ${maxBytes} bytes (throughput.maxBytes)`, {
    status: 413,
  });
}
