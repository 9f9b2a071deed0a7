import { systemReason } from '../util/system-reason.ts';

/** Whether the error is the system's, of this code. */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** The system's error with a message that says what was tried and where; its code and number are kept. */
export function explainSystemError(action: string, path: string, error: unknown): unknown {
  const reason = systemReason(error);
  if (reason === undefined) return error;
  const { code, errno, syscall } = error as NodeJS.ErrnoException;
  const message = `Cannot ${action} "${path}": ${reason}`;
  return Object.assign(new Error(message, { cause: error }), { code, errno, syscall, path });
}
