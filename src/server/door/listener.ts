import type { IncomingMessage, ServerResponse } from 'node:http';
import { RegistryError } from '../../oci/errors.ts';
import type { Log } from '../../util/log/log.ts';
import type { Metrics } from '../../util/metrics/metrics.ts';
import type { Clock } from '../../util/time/clock.ts';
import type { Admin } from '../admin/admin.ts';
import { type Exchange, sendError } from '../answer/exchange.ts';
import type { Probes } from '../answer/probes.ts';
import { newRecord, type RequestRecord } from '../answer/record.ts';
import { bodyOf } from '../push/request-body.ts';
import type { RegistryHandler } from '../registry-handler.ts';
import { splitPath } from '../routing/registry-path.ts';
import { type DoorLimits, defaultDoorLimits } from './door-limits.ts';

/** What requests are answered with. */
export interface ListenerOptions {
  readonly registry: RegistryHandler;
  readonly admin: Admin;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly limits?: DoorLimits;
  /** What notes the requests that ask which way they go. */
  readonly probes?: Probes;
}

const maxUrlLength = 8 * 1024; // far above any name, digest and query of the spec

/** What is known of a request when it is over. */
interface Ending {
  readonly status: number;
  readonly bytes: number;
  readonly ms: number;
  readonly client: string | undefined;
}

/** One line in the log for each request that was answered or given up. */
function logRequest(log: Log, method: string, record: RequestRecord, { status, bytes, ms, client }: Ending): void {
  const { route, registry, repository, reference, cache, receivedBytes, user, error } = record;
  const facts = {
    ...{ method, route, registry, repository, reference, status, bytes, ms, cache, client },
    ...(receivedBytes === 0 ? {} : { received: receivedBytes }),
    ...(user === undefined ? {} : { user }),
    ...(error === undefined ? {} : { error: (error as Error).message }),
  };
  // Under this key, and no other, pino writes an error with its stack and causes.
  if (status >= 500 && status !== 502 && status !== 503) log.error({ ...facts, err: error }, 'request');
  else if (route === 'admin') log.debug(facts, 'request');
  else log.info(facts, 'request');
}

/** Answers requests; it must not throw. */
export type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Makes what answers the requests of a door. */
export function createListener(options: ListenerOptions): Listener {
  const { log, metrics, probes, clock, limits = defaultDoorLimits } = options;
  return (request, response) => {
    if (request.socket.writableEnded) return; // it came after one whose answer ended the connection
    const beganAtMs = performance.now();
    const writtenBefore = request.socket.bytesWritten;
    const client = request.socket.remoteAddress; // a socket that is closed does not know it any more
    const method = request.method!;
    const record = newRecord();
    const body = bodyOf(request, response, record, { unwantedMs: limits.requestMs, clock });
    const exchange = { request, response, body, record };
    response.once('close', () => {
      const ms = Math.round((performance.now() - beganAtMs) * 10) / 10;
      const { cache, route } = record;
      const registry = record.registry ?? '';
      const status = statusOf(response, record);
      const bytes = bodyBytes(request, response, record, writtenBefore);
      metrics.requests.inc({ method, route, registry, status, cache });
      metrics.requestSeconds.observe({ route, cache }, ms / 1000);
      if (bytes > 0) metrics.servedBytes.inc({ registry, cache }, bytes);
      probes?.note(record, status);
      logRequest(log, method, record, { status, bytes, ms, client });
    });
    answer(options, exchange).catch((error: unknown) => answerError(exchange, error));
  };
}

/** The status that was sent; of an answer that was broken off, what tells why. */
function statusOf(response: ServerResponse, { error }: RequestRecord): number {
  if (response.writableFinished) return response.statusCode;
  // 499 is nginx's number for a client that left before its answer was whole; people search their logs for it.
  return error === undefined ? 499 : asRegistryError(error).status;
}

function answerError(exchange: Exchange, error: unknown): void {
  const { response, record } = exchange;
  record.error = error;
  if (response.destroyed) return; // the client has gone
  try {
    sendError(exchange, asRegistryError(error));
  } catch (unsendable) {
    // An upstream's own header field may come with an error, and not every byte that we read may be written.
    record.error = unsendable;
    sendError(exchange, asRegistryError(unsendable));
  }
}

async function answer({ registry, admin }: ListenerOptions, exchange: Exchange): Promise<void> {
  const { request, response, record } = exchange;
  const url = request.url!;
  if (url.length > maxUrlLength) throw new RegistryError('NAME_INVALID', 'Cannot read the URL: it is too long');
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  const registryPath = splitPath(path);
  if (registryPath) return registry.handle(exchange, registryPath, query);
  const token = registry.giveToken(exchange, path, query);
  if (token) return token;
  record.route = 'admin';
  response.setHeader('x-content-type-options', 'nosniff');
  await admin(exchange, path, query);
}

// The socket counts heads, too; what is left of a connection that was used before is not ours.
function bodyBytes(
  request: IncomingMessage,
  response: ServerResponse,
  record: RequestRecord,
  writtenBefore: number,
): number {
  if (request.method === 'HEAD' || response.statusCode === 304 || response.statusCode === 204) return 0;
  const lengthBytes = record.lengthBytes ?? response.getHeader('content-length');
  if (response.writableFinished && lengthBytes !== undefined) return Number(lengthBytes);
  return Math.max(0, request.socket.bytesWritten - writtenBefore);
}

function asRegistryError(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  return new RegistryError('INTERNAL', 'Something failed here; the log says what', { cause: error });
}
