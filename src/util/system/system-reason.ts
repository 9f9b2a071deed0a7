import { getSystemErrorMessage } from 'node:util';

// What the person who runs this can do about it; for the others the system's words say all there is.
const advice: Readonly<Record<string, string>> = {
  ENOSPC: ', free some space on its file system',
  EDQUOT: ', free some space or raise the quota',
  EACCES: ', run this as the user that it belongs to, or let this one in',
  EPERM: ', run this as the user that it belongs to, or let this one in',
  EROFS: ', mount its file system for writing',
};

/** Why the system refused something: its words, its code, and what to do. Undefined for an error that is not the system's. */
export function systemReason(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errno } = error as NodeJS.ErrnoException;
  if (code === undefined || typeof errno !== 'number') return undefined;
  return `${getSystemErrorMessage(errno) ?? 'refused by the system'} (${code})${advice[code] ?? ''}`;
}
