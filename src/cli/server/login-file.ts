import { CommandFailure } from '../command-failure.ts';
import { readFlagFile } from './door-trust.ts';

/**
 * Reads `name:password` from a file: a password in an argument could be read by everybody on the machine.
 * @throws CommandFailure
 */
export function readLogin(path: string): string {
  const login = readFlagFile(path).replace(/\r?\n$/, '');
  if (!login.includes(':')) throw new CommandFailure(`Cannot use "${path}": it does not hold name:password`);
  return login;
}
