import { type Log, silentLog } from '../util/log/log.ts';
import type { Terminal } from './terminal/terminal.ts';

/** A log for a tool that removes files: says what could not be done; what was done is in its summary. */
export function errorsTo(terminal: Terminal): Log {
  return {
    ...silentLog,
    error: ({ digest, reason }) => terminal.writeError(`Cannot remove the file of ${digest}: ${reason}\n`),
  };
}
