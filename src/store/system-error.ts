import { systemReason } from '../util/system/system-reason.ts';

/** Whether the error is the system's, of this code. */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** The system's error with a message that says what was tried and where; its code and number are kept. */
export function explainSystemError(action: string, path: string, error: unknown): unknown {
  const reason = systemReason(error);
  if (reason === undefined) return error;
  const { code, errno, syscall, path: place } = error as NodeJS.ErrnoException;
  // One file of another user, deep in a folder that is one's own, is not found by the folder's name.
  const isAnothers = (code === 'EACCES' || code === 'EPERM') && place !== undefined && place !== path;
  const where = isAnothers ? `: "${place}"` : '';
  const message = `Cannot ${action} "${path}"${where}: ${reason}`;
  return Object.assign(new Error(message, { cause: error }), { code, errno, syscall, path });
}
