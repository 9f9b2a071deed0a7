import { tlsReason } from '../../util/system/tls-reason.ts';

/** Why an exchange with an upstream failed before or between the bytes of its answer. */
export type TransportErrorCode =
  /** No connection: refused, unreachable, unknown name, TLS failed, the proxy refused. */
  | 'CONNECT_FAILED'
  /** The connection was not there in time. */
  | 'CONNECT_TIMEOUT'
  /** The answer did not begin in time. */
  | 'FIRST_BYTE_TIMEOUT'
  /** The answer stopped coming. */
  | 'IDLE_TIMEOUT'
  /** The connection ended before the answer did. */
  | 'CUT_OFF'
  /** The server says that it fails (5xx). */
  | 'SERVER_FAILED'
  /** The answer is not HTTP, or larger than allowed. */
  | 'PROTOCOL';

/** A failed exchange. Every code but PROTOCOL may go away by itself. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly code: TransportErrorCode;
  /** Whether not one byte of the answer had come: on a connection that was used before, the server had just ended it. */
  readonly unanswered: boolean;

  constructor(code: TransportErrorCode, message: string, options: { cause?: unknown; unanswered?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.unanswered = options.unanswered ?? false;
  }
}

/** Whether another try may do better: all but what is no HTTP, also where it is the cause of another error. */
export function isPassing(error: unknown): boolean {
  const failure = error instanceof Error && error.cause instanceof TransportError ? error.cause : error;
  return failure instanceof TransportError && failure.code !== 'PROTOCOL';
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error ? tlsReason(error.message) : String(error);
}
