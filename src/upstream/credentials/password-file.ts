import { WatchedFile } from '../../util/watched/watched-file.ts';
import type { CredentialSource, Password } from './credential-source.ts';
import { type CredentialTools, credentialsUnavailable, logFailure } from './credential-tools.ts';

/** A user whose password is in a file: a rotated one counts as soon as it is there, and when the old one is refused. */
export function passwordFileCredentials(username: string, path: string, tools: CredentialTools): CredentialSource {
  const file = new WatchedFile<Password>({
    path,
    parse: (text) => ({ username, password: readPassword(text) }),
    clock: tools.clock,
    failed: (reason) => logFailure(tools, path, reason),
  });
  let last: Password | undefined;
  return {
    async current(_server, signal) {
      try {
        last = await file.read(signal);
        return last;
      } catch {
        signal.throwIfAborted();
        throw credentialsUnavailable(tools);
      }
    },
    refused(_server, credentials) {
      if (credentials === last) file.expire();
    },
  };
}

function readPassword(text: string): string {
  const password = text.replace(/\r?\n$/, '');
  if (password === '') throw new Error('it is empty');
  return password;
}
