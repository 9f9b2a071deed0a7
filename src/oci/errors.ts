/**
 * Every error code a registry answers with, and its status. The upper-case names of the distribution spec
 * ("Error Codes"), then those that a cache needs and the spec allows ("MAY be registry-specific").
 */
export const errorStatus = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  /** A tag or page parameter that the spec does not allow. */
  TAG_INVALID: 400,
  PAGINATION_NUMBER_INVALID: 400,
  RANGE_INVALID: 416,
  /** The path is none of a registry's. */
  NOT_FOUND: 404,
  /** The upstream cannot be reached, fails, or sends what it should not. */
  UNAVAILABLE: 502,
  /** Something failed here. */
  INTERNAL: 500,
} as const;

/** The code of an error: what callers compare, never the message. */
export type ErrorCode = keyof typeof errorStatus;

/** What may accompany an error. */
export interface RegistryErrorOptions {
  /** The HTTP status where it differs from the code's own. */
  status?: number;
  /** What made it fail, for the log. */
  cause?: unknown;
  /** More facts for the client; never a secret. */
  detail?: unknown;
  /** Response headers that belong to the error, in lower case (`content-range`, `retry-after`). */
  headers?: Record<string, string>;
  /** When the registry was not asked at all: until when it will not be, in milliseconds since the epoch. */
  notAskedUntilMs?: number;
  /** Whether it is the answer of another server, to which the registry redirected: it says nothing of who may read. */
  fromElsewhere?: boolean;
}

/** The one error of every `Registry`. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Record<string, string>;
  readonly notAskedUntilMs: number | undefined;
  readonly fromElsewhere: boolean;

  constructor(code: ErrorCode, message: string, options: RegistryErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? errorStatus[code];
    this.detail = options.detail;
    this.headers = options.headers ?? {};
    this.notAskedUntilMs = options.notAskedUntilMs;
    this.fromElsewhere = options.fromElsewhere ?? false;
  }
}

/** Whether a registry that fails so may succeed soon: unreachable, failing, or limiting. */
export function isTemporary(error: unknown): boolean {
  return error instanceof RegistryError && (error.code === 'UNAVAILABLE' || error.code === 'TOOMANYREQUESTS');
}

/** Whether the error says that the thing does not exist; every other error says that nobody knows. */
export function isNotFound(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 404;
}

/** Whether the error says that the thing is there, or may be, and not for us. */
export function isRefused(error: unknown): boolean {
  return error instanceof RegistryError && (error.code === 'DENIED' || error.code === 'UNAUTHORIZED');
}

/** Whether the error says that the registry itself lets us not read the repository, and not only some other server. */
export function isRefusedByRegistry(error: unknown): error is RegistryError {
  return isRefused(error) && !(error as RegistryError).fromElsewhere;
}

/** Renders an error as the spec's JSON body. */
export function renderErrorBody(error: RegistryError): string {
  const entry: Record<string, unknown> = { code: error.code, message: error.message };
  if (error.detail !== undefined) entry['detail'] = error.detail;
  return JSON.stringify({ errors: [entry] });
}
