import type { IncomingMessage, ServerResponse } from 'node:http';
import { RegistryError } from '../../oci/errors.ts';
import { unlessAborted } from '../../util/locks/single-flight.ts';
import type { RequestRecord } from '../answer/record.ts';
import type { RequestBody } from '../push/request-body.ts';
import type { RoutedRegistry } from '../routing/routing.ts';

/** Where clients get tokens, up to the name of the token server. No repository is there: those are below `/v2/`. */
export const tokenPath = '/entrepot/token/';

const maxFormBytes = 64 * 1024; // refresh tokens take up to 3 kB
const formLimitMs = 20_000; // as for a head: it comes in one packet or two

/** A request for a token, and its answer in the making. */
export interface TokenExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: RequestBody;
  readonly record: RequestRecord;
}

/**
 * Answers a request for a token of a registry: what is behind `tokenPath`.
 * @throws RegistryError
 */
export async function answerTokenRequest(
  { name, guard }: RoutedRegistry,
  { request, response, body, record }: TokenExchange,
  { id, query }: { readonly id: string; readonly query: string },
  signal: AbortSignal,
): Promise<void> {
  record.route = 'token';
  record.registry = name;
  const { method, headers } = request;
  if (method !== 'GET' && method !== 'POST') {
    const what = 'Cannot give a token so: it is asked for by GET, or by POST with a form';
    throw new RegistryError('UNSUPPORTED', what, { headers: { allow: 'GET, POST' } });
  }
  if (guard === undefined || !/^[0-9a-f]{16}$/.test(id)) {
    throw new RegistryError('NOT_FOUND', 'Cannot find this token server: no registry names it');
  }
  const form = method === 'POST' ? await readForm(request, body, signal) : undefined;
  body.leave();
  const asked = { authorization: headers.authorization, query: new URLSearchParams(query), form };
  const answer = await guard.tokens.answer(id, asked, signal);
  response.writeHead(answer.status, {
    ...answer.headers,
    'cache-control': 'no-store',
    'content-length': answer.body.length,
  });
  response.end(answer.body);
}

async function readForm(
  { headers }: IncomingMessage,
  body: RequestBody,
  signal: AbortSignal,
): Promise<URLSearchParams> {
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(headers['content-type'] ?? '')) {
    throw badForm('Cannot read what was posted: it is no form (application/x-www-form-urlencoded)');
  }
  const limit = AbortSignal.timeout(formLimitMs);
  try {
    const text = await unlessAborted(readText(body), AbortSignal.any([signal, limit]));
    return new URLSearchParams(text);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RegistryError || !limit.aborted) throw error;
    throw badForm(`Cannot read the form: it did not come within ${formLimitMs} ms`, 408);
  }
}

async function readText(body: RequestBody): Promise<string> {
  if ((body.sizeBytes ?? 0) > maxFormBytes) throw tooLarge();
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const bytes of body.read()) {
    sizeBytes += bytes.length;
    if (sizeBytes > maxFormBytes) throw tooLarge();
    parts.push(Buffer.from(bytes));
  }
  return Buffer.concat(parts).toString('utf8');
}

function tooLarge(): RegistryError {
  return badForm(`Cannot read the form: it is larger than ${maxFormBytes} bytes`, 413);
}

function badForm(message: string, status = 400): RegistryError {
  return new RegistryError('UNSUPPORTED', message, { status });
}
