import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isObject, parseJson } from '../../oci/json.ts';
import type { TlsIdentity } from '../../upstream/transport/connect.ts';
import { Transport } from '../../upstream/transport/transport.ts';
import { type MeasuredPath, measureShapes, type PathFigure, type PathShape } from './path-shapes.ts';

/** How the cache is asked to measure. */
export interface ThroughputOptions {
  readonly url: URL;
  /** How long each measurement takes. */
  readonly seconds: number;
  /** `name:password`, for a cache that asks for one. */
  readonly login: string | undefined;
  /** PEM of an authority to trust. */
  readonly authority: string | undefined;
  /** A clock that only goes forward, in milliseconds. */
  nowMs(): number;
}

/** What one request may take, as the cache says. */
interface Limits {
  readonly maxBytes: number;
  readonly maxConcurrent: number;
}

interface Asker {
  readonly agent: http.Agent;
  /** For what is fetched: it reads as fast as blobs are read, which is what the figure is compared with. */
  readonly transport: Transport;
  readonly identity: TlsIdentity;
  readonly options: ThroughputOptions;
  readonly limits: Limits;
}

const answerMs = 15_000; // above the 10 s that one request may take there
const maxTextBytes = 64 * 1024; // what says more is no answer of ours
const piece = Buffer.alloc(64 * 1024, 'Entrepot'); // plain HTTP and TLS compress nothing on their own

/**
 * Measures a path by the `/throughput` of the cache; when there is none, says so in place of figures.
 * @throws the signal's reason when nothing was measured by then
 */
export async function measureByThroughput(options: ThroughputOptions, signal: AbortSignal): Promise<MeasuredPath> {
  const { url, authority: ca } = options;
  // An agent of its own: that of the process may be made to use a proxy by the environment.
  const agent =
    url.protocol === 'https:' ? new https.Agent({ keepAlive: true, ca }) : new http.Agent({ keepAlive: true });
  const transport = new Transport();
  const identity = { ca, insecure: false };
  try {
    const limits = await askLimits(agent, options, signal);
    if (typeof limits === 'string') return { by: undefined, figures: [], notes: [limits] };
    const asker = { agent, transport, identity, options, limits };
    const figures = await measureShapes((shape) => measureShape(shape, asker, signal), signal);
    return { by: 'the cache’s own /throughput', figures, notes: [] };
  } finally {
    agent.destroy();
    transport.close();
  }
}

async function askLimits(agent: http.Agent, options: ThroughputOptions, signal: AbortSignal): Promise<Limits | string> {
  const place = `${options.url.origin}/throughput`;
  try {
    const answer = await send({ agent, options }, 'GET', '', signal);
    const said = parseJson(await readText(answer));
    if (answer.statusCode === 401) return `${place} wants a login: name a file that holds name:password with --login`;
    if (answer.statusCode === 404) return `${place} is not there: throughput.maxBytes of the cache switches it on`;
    const { maxBytes, maxConcurrent } = (isObject(said) ? said : {}) as Partial<Limits>;
    if (isCount(maxBytes) && isCount(maxConcurrent)) return { maxBytes, maxConcurrent };
    return `${place} does not say what it allows (status ${answer.statusCode}): is it Entrepot that listens there?`;
  } catch (error) {
    signal.throwIfAborted();
    return `${place} does not answer: ${(error as Error).message}`;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** As many requests as fit into the time, one after the other on every connection. */
async function measureShape(shape: PathShape, asker: Asker, signal: AbortSignal): Promise<PathFigure['result']> {
  const { nowMs, seconds } = asker.options;
  const beganAtMs = nowMs();
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  let passedBytes = 0;
  const pass = shape.direction === 'to the cache' ? upload : download;
  const stream = async () => {
    let sizeBytes = Math.min(firstBytes, asker.limits.maxBytes);
    do {
      const sentAtMs = nowMs();
      const bytes = await pass(asker, sizeBytes, either);
      passedBytes += bytes; // read only now: the other connections have added theirs meanwhile
      sizeBytes = nextSize(sizeBytes, nowMs() - sentAtMs, asker.limits.maxBytes);
    } while (nowMs() - beganAtMs < seconds * 1000);
  };
  try {
    await Promise.all(Array.from({ length: Math.min(shape.streams, asker.limits.maxConcurrent) }, stream));
    return { bytesPerSecond: passedBytes / ((nowMs() - beganAtMs) / 1000) };
  } catch (error) {
    signal.throwIfAborted();
    return { failure: (error as Error).message };
  } finally {
    failing.abort(); // the other connections of one that failed
  }
}

// The way may be a thousand times slower than another, and no request may take long: each says how large the next may be.
const firstBytes = 256 * 1024;
const shortMs = 300; // long enough that the beginning of each request counts little
const longMs = 2_000; // well below what the cache gives a request

/** How large the next request is. */
export function nextSize(sizeBytes: number, tookMs: number, maxBytes: number): number {
  if (tookMs < shortMs) return Math.min(2 * sizeBytes, maxBytes);
  return tookMs > longMs ? Math.max(Math.floor(sizeBytes / 2), 1) : sizeBytes;
}

async function download(
  { transport, identity, options: { url, login } }: Asker,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<number> {
  const headers = {
    ...{ accept: '*/*', 'accept-encoding': 'identity' },
    ...(login === undefined ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` }),
  };
  const place = new URL(`${url.origin}/throughput?bytes=${sizeBytes}`);
  const { head, body } = await transport.request({ method: 'GET', url: place, headers, identity }, signal);
  const parts: Uint8Array[] = [];
  let receivedBytes = 0;
  try {
    for (let chunk = await body.next(); chunk; chunk = await body.next()) {
      receivedBytes += chunk.bytes.length;
      if (head.status !== 200 && receivedBytes <= maxTextBytes) parts.push(Buffer.from(chunk.bytes));
      chunk.release();
    }
  } finally {
    body.close();
  }
  if (head.status !== 200) throw new Error(refusal(head.status, Buffer.concat(parts)));
  return receivedBytes;
}

async function upload(asker: Asker, sizeBytes: number, signal: AbortSignal): Promise<number> {
  const answer = await send(asker, 'POST', '', signal, sizeBytes);
  const text = await readText(answer);
  if (answer.statusCode !== 200) throw new Error(refusal(answer.statusCode, text));
  const said = parseJson(text);
  const { receivedBytes } = (isObject(said) ? said : {}) as { receivedBytes?: unknown };
  if (typeof receivedBytes === 'number') return receivedBytes;
  throw new Error('the cache does not say how much it received');
}

function refusal(status: number | undefined, body: Uint8Array): string {
  const said = parseJson(body) as { errors?: { message?: unknown }[] } | undefined;
  const message = said?.errors?.[0]?.message;
  // It is somebody else's text, and printed.
  const told = typeof message === 'string' ? `: ${message.replace(/\p{Cc}/gu, ' ').slice(0, 300)}` : '';
  return `the cache answered ${status}${told}`;
}

function send(
  { agent, options: { url, login } }: Pick<Asker, 'agent' | 'options'>,
  method: 'GET' | 'POST',
  query: string,
  signal: AbortSignal,
  bodyBytes = 0,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const ask = url.protocol === 'https:' ? https.request : http.request;
    const headers = method === 'POST' ? { 'content-length': bodyBytes } : {};
    const auth = login === undefined ? {} : { auth: login };
    const options = { ...{ method, agent, headers, signal, timeout: answerMs }, ...auth };
    const request = ask(`${url.origin}/throughput${query}`, options, resolve);
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error(`nothing came for ${answerMs / 1000} s`)));
    writeBody(request, bodyBytes);
  });
}

function writeBody(request: http.ClientRequest, bodyBytes: number): void {
  let left = bodyBytes;
  const write = () => {
    while (left > 0 && !request.destroyed) {
      const bytes = left < piece.length ? piece.subarray(0, left) : piece;
      left -= bytes.length;
      if (!request.write(bytes)) return void request.once('drain', write);
    }
    request.end();
  };
  write();
}

async function readText(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    sizeBytes += part.length;
    if (sizeBytes > maxTextBytes) throw new Error('its answer has no end');
    parts.push(part);
  }
  return Buffer.concat(parts);
}
