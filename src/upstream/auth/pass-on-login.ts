import { errorStatus, RegistryError, renderErrorBody } from '../../oci/errors.ts';
import { loginIn, type TokenAnswer, type TokenRequest } from '../../oci/wire/token.ts';
import { discard, readBounded } from '../answers/answers.ts';
import type { Answer } from '../transport/connection.ts';
import { TransportError } from '../transport/errors.ts';
import type { TokenRequest as ServerRequest } from './tokens.ts';

const maxAnswerBytes = 256 * 1024; // as of our own tokens: those of large companies' users list hundreds of groups

// A client that logs in waits for this before anything else, and all that is open and here could be its meanwhile.
const limitMs = 5_000;

/** What of a token server's answer the client gets beside status and body. */
const passedFields = ['content-type', 'www-authenticate', 'retry-after'];

/** Sends a request to a token server, whatever its connection is trusted by. */
export type TokenSend = (request: ServerRequest, signal: AbortSignal) => Promise<Answer>;

/**
 * Passes a client's login on to a token server, and gives what that says to it, whatever it is. It is sent once, to this
 * server alone, and kept nowhere.
 * @throws RegistryError UNAVAILABLE when the server cannot be asked
 */
export async function passOnLogin(
  send: TokenSend,
  realm: URL,
  request: TokenRequest,
  signal: AbortSignal,
): Promise<TokenAnswer> {
  const limit = AbortSignal.timeout(limitMs);
  const either = AbortSignal.any([signal, limit]);
  try {
    const answer = await send(render(realm, request), either);
    const { status, headers } = answer.head;
    if (status < 200 || (status >= 300 && status < 400)) {
      await discard(answer);
      return badAnswer(`Cannot log in at ${realm.host}: it answered ${status}`);
    }
    const passed = passedFields.flatMap((name) => {
      const value = headers.get(name);
      return value === undefined ? [] : [[name, value]];
    });
    return { status, headers: Object.fromEntries(passed), body: await readBounded(answer, maxAnswerBytes) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RegistryError) throw error;
    const isLate = limit.aborted;
    if (!isLate && !(error instanceof TransportError)) throw error;
    const why = isLate ? `it did not answer within ${limitMs} ms` : (error as TransportError).message;
    throw new RegistryError('UNAVAILABLE', `Cannot log in at ${realm.host}: ${why}`, { cause: error });
  }
}

/** Where a login is to be sent to, only the registry says: no redirect is followed. */
function badAnswer(message: string): TokenAnswer {
  const body = Buffer.from(renderErrorBody(new RegistryError('UNAVAILABLE', message)));
  return { status: errorStatus.UNAVAILABLE, headers: { 'content-type': 'application/json' }, body };
}

function render(realm: URL, { authorization, query, form }: TokenRequest): ServerRequest {
  const url = new URL(realm);
  for (const [name, value] of query) url.searchParams.append(name, value);
  const login = loginIn(authorization);
  const headers = login === undefined ? {} : { authorization: login };
  if (form === undefined) return { method: 'GET', url, headers };
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  return { method: 'POST', url, headers: { ...headers, ...type }, body: String(form) };
}
