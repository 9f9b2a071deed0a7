import { type CredentialSource, fixedCredentials } from './credential-source.ts';
import type { CredentialTools } from './credential-tools.ts';
import { passwordFileCredentials } from './password-file.ts';

/** Which credentials an upstream has; at most one kind of them is given. */
export interface CredentialSettings {
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The file that the password is in; it counts before a password. */
  readonly passwordFile: string | undefined;
}

/** The source of an upstream's credentials; undefined when it is asked anonymously. */
export function openCredentials(settings: CredentialSettings, tools: CredentialTools): CredentialSource | undefined {
  const { username, password, passwordFile } = settings;
  if (username === undefined) return undefined;
  if (passwordFile !== undefined) return passwordFileCredentials(username, passwordFile, tools);
  return password === undefined ? undefined : fixedCredentials({ username, password });
}
