import type { IncomingMessage, ServerResponse } from 'node:http';
import { type RegistryError, renderErrorBody } from '../../oci/errors.ts';
import { isPushRequest } from '../../oci/wire/push-request.ts';
import { renderCacheStatus } from '../pull/cache-status.ts';
import type { RequestBody } from '../push/request-body.ts';
import { writeHead } from './answer-head.ts';
import type { RequestRecord } from './record.ts';

/** One request, and its answer in the making. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: RequestBody;
  readonly record: RequestRecord;
}

/** Why work for a client stops when it has gone. */
const clientGone = new Error('The client has gone');

/** Fires when the client has gone before its answer was whole. */
export function signalOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort(clientGone);
  });
  return controller.signal;
}

/** Sends an error as the spec's JSON; when the head of another answer has gone out, the connection is broken instead. */
export function sendError({ request, response, body: asked, record }: Exchange, error: RegistryError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  asked.leave();
  const body = Buffer.from(renderErrorBody(error));
  writeHead({ response, record }, isPushRequest({ kind: record.route }) ? error.status : mirrorStatus(error), {
    ...error.headers,
    'content-type': 'application/json',
    'content-length': body.length,
    'cache-status': renderCacheStatus(undefined, error.code),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

// containerd asks a mirror that says 429 five times more at once; with 503 it goes on to the next host. Nobody goes
// elsewhere with a push.
function mirrorStatus(error: RegistryError): number {
  return error.status === 429 ? 503 : error.status;
}
