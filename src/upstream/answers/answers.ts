import { type ErrorCode, RegistryError } from '../../oci/errors.ts';
import { limitAdvice } from '../health/rate-limit.ts';
import type { Answer } from '../transport/connection.ts';
import { contentOf } from './answer-content.ts';

const maxErrorBytes = 16 * 1024; // a hostile registry must not fill memory; the spec's errors are far smaller
const maxMessageLength = 300;
/** For the sake of a text nobody is kept waiting: what counts is the head. Where a body drips, each read is in time. */
const maxErrorMs = 2_000;

/**
 * The whole body of an answer, decoded.
 * @throws RegistryError UNAVAILABLE when it is longer than `maxBytes`, or breaks
 */
export async function readBounded(answer: Answer, maxBytes: number): Promise<Buffer> {
  const content = contentOf(answer);
  const parts: Buffer[] = [];
  let total = 0;
  try {
    for (let chunk = await content.next(); chunk; chunk = await content.next()) {
      total += chunk.bytes.length;
      if (total <= maxBytes) parts.push(Buffer.from(chunk.bytes));
      chunk.release();
      if (total > maxBytes)
        throw new RegistryError('UNAVAILABLE', `Cannot take the answer: it exceeds ${maxBytes} bytes`);
    }
  } finally {
    content.close();
  }
  return Buffer.concat(parts, total);
}

/** Ends an answer that is not wanted. What is small is read to its end, so that its connection can serve again. */
export async function discard({ body }: Answer): Promise<void> {
  let left = maxErrorBytes;
  const limit = setTimeout(() => body.close(), maxErrorMs);
  try {
    while ((body.lengthBytes ?? 0) <= maxErrorBytes && left >= 0) {
      const chunk = await body.next();
      if (!chunk) return;
      left -= chunk.bytes.length;
      chunk.release();
    }
  } catch {
    // The connection is gone, which is no more than was wanted.
  } finally {
    clearTimeout(limit);
    body.close();
  }
}

/**
 * The error that an answer other than the wanted one stands for. It ends the body.
 * @param unknown the code for 404, by what was asked for
 */
export async function errorOfAnswer(answer: Answer, upstream: string, unknown: ErrorCode): Promise<RegistryError> {
  const { status, headers } = answer.head;
  const text = await readErrorText(answer);
  const message = `Upstream ${upstream} answered ${status}${text === '' ? '' : `: ${text}`}`;
  if (status === 404) return new RegistryError(unknown, message);
  if (status === 401 || status === 403) {
    return new RegistryError('DENIED', message, { fromElsewhere: answer.fromElsewhere ?? false });
  }
  if (status === 405) return new RegistryError('UNSUPPORTED', message);
  if (status === 416) {
    const range = headers.get('content-range');
    return new RegistryError(
      'RANGE_INVALID',
      message,
      range === undefined ? {} : { headers: { 'content-range': range } },
    );
  }
  if (status === 429) {
    const after = headers.get('retry-after');
    return new RegistryError(
      'TOOMANYREQUESTS',
      `${message}; ${limitAdvice(upstream)}`,
      after === undefined ? {} : { headers: { 'retry-after': after } },
    );
  }
  return new RegistryError('UNAVAILABLE', message);
}

/**
 * The error that an answer stands for when it was given to a client's own credentials: a 401 of the registry is for the
 * client to read, as it came, since only the client can do what it asks for.
 */
export async function errorOfAnswerToClient(
  answer: Answer,
  upstream: string,
  unknown: ErrorCode,
): Promise<RegistryError> {
  const challenge = challengeOf(answer);
  const error = await errorOfAnswer(answer, upstream, unknown);
  if (challenge === undefined) return error;
  return new RegistryError('UNAUTHORIZED', error.message, { headers: { 'www-authenticate': challenge } });
}

/** How the registry itself wants to be authenticated to, as it says it; undefined when it does not say so. */
export function challengeOf({ head, fromElsewhere }: Answer): string | undefined {
  return head.status === 401 && !fromElsewhere ? head.headers.get('www-authenticate') : undefined;
}

/** What the upstream says went wrong: for the client and the log, so short and in one line. */
async function readErrorText(answer: Answer): Promise<string> {
  const limit = setTimeout(() => answer.body.close(), maxErrorMs);
  try {
    const body = (await readBounded(answer, maxErrorBytes)).toString('utf8');
    return messageIn(body)
      .replace(/[\p{C}\s]+/gu, ' ')
      .trim()
      .slice(0, maxMessageLength);
  } catch {
    return ''; // the status is what counts
  } finally {
    clearTimeout(limit);
  }
}

function messageIn(body: string): string {
  try {
    const parsed = JSON.parse(body) as { errors?: { code?: unknown; message?: unknown }[] };
    const error = parsed.errors?.[0];
    return [error?.code, error?.message].filter((part) => typeof part === 'string').join(' ');
  } catch {
    return ''; // an HTML page of some proxy
  }
}
