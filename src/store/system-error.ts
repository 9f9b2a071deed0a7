import { getSystemErrorMessage } from 'node:util';

// What the person who runs this can do about it; for the others the system's words say all there is.
const advice: Readonly<Record<string, string>> = {
  ENOSPC: ', free some space on its file system',
  EDQUOT: ', free some space or raise the quota',
  EACCES: ', let the user that this runs as write there',
  EPERM: ', let the user that this runs as write there',
  EROFS: ', mount its file system for writing',
};

/** Whether the error is the system's, of this code. */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** The system's error with a message that says what was tried and where; its code and number are kept. */
export function explainSystemError(action: string, path: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, errno, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || errno === undefined) return error;
  const message = `Cannot ${action} "${path}": ${getSystemErrorMessage(errno)} (${code})${advice[code] ?? ''}`;
  return Object.assign(new Error(message, { cause: error }), { code, errno, syscall, path });
}
