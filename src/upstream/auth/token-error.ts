import { RegistryError } from '../../oci/errors.ts';
import { readBounded } from '../answers/answers.ts';
import type { Answer } from '../transport/connection.ts';
import { TransportError } from '../transport/errors.ts';

const maxErrorBytes = 16 * 1024; // a hostile server must not fill memory; OAuth 2's errors are far smaller

/** Statuses that say "not now", as every 5xx does: another try may do better. */
const passingStatus = new Set([408, 425]);

/** OAuth 2's words (RFC 6749, 5.2) for what it says of credentials by 400. */
const refusals = new Set(['invalid_grant', 'invalid_client', 'unauthorized_client']);

/**
 * The error that an answer of a token server other than 200 stands for. Only a refusal says something of the
 * credentials, and may be remembered; every other says that the server cannot be used, now or as it is configured. It
 * ends the body.
 */
export async function errorOfTokenAnswer(answer: Answer, server: string): Promise<RegistryError | TransportError> {
  const { status, headers } = answer.head;
  const message = `Cannot get a token: ${server} answered ${status}`;
  const isRefused = status === 401 || status === 403 || (status === 400 && refusals.has(await oauthError(answer)));
  answer.body.close();
  if (isRefused) return new RegistryError('DENIED', `${message}; are the credentials right?`);
  if (status === 429) {
    const after = headers.get('retry-after');
    return new RegistryError(
      'TOOMANYREQUESTS',
      message,
      after === undefined ? {} : { headers: { 'retry-after': after } },
    );
  }
  if (status >= 500 || passingStatus.has(status)) return new TransportError('SERVER_FAILED', message);
  const advice =
    'it is no token server for this registry, or does not understand what it is asked; see the URL of the upstream';
  return new RegistryError('UNAVAILABLE', `${message}: ${advice}`);
}

async function oauthError(answer: Answer): Promise<string> {
  try {
    const body: unknown = JSON.parse((await readBounded(answer, maxErrorBytes)).toString('utf8'));
    const isObject = typeof body === 'object' && body !== null;
    return isObject && 'error' in body && typeof body.error === 'string' ? body.error : '';
  } catch {
    return ''; // the status is what counts
  }
}
