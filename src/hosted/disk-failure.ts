import { RegistryError } from '../oci/errors.ts';

const fullCodes: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const sqliteFull = 13; // SQLITE_FULL, in the low byte of what the driver gives

/** That bytes cannot be kept for want of disk: 507, which clients take for a fault of the server that may pass. */
export function diskFull(cause?: unknown): RegistryError {
  const what =
    'Cannot take more bytes: the disk of the registry is full, or would have less free than cache.minFreeBytes';
  return new RegistryError('UNAVAILABLE', `${what}; make room there, or try again later`, { status: 507, cause });
}

/** What store or index failed with, for the client: a full disk is said, the rest is a fault of ours. */
export function explainDiskFailure(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof RegistryError) return error;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  const isFull = fullCodes.has(code) || (typeof errcode === 'number' && (errcode & 0xff) === sqliteFull);
  return isFull ? diskFull(error) : error;
}
