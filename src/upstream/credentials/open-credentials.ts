import { type CredentialSource, fixedCredentials } from './credential-source.ts';
import type { CredentialTools } from './credential-tools.ts';
import { dockerConfigCredentials } from './docker-config-credentials.ts';
import { passwordFileCredentials } from './password-file.ts';
import { type TokenCommand, tokenCommandCredentials } from './token-command.ts';

/** Which credentials an upstream has. At most one kind of them is given; the configuration refuses more. */
export interface CredentialSettings {
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The file that the password is in; it counts before a password. */
  readonly passwordFile: string | undefined;
  /** The path of a docker `config.json`. */
  readonly dockerConfig: string | undefined;
  readonly tokenCommand: TokenCommand['command'] | undefined;
}

/** The source of an upstream's credentials; undefined when it is asked anonymously. */
export function openCredentials(settings: CredentialSettings, tools: CredentialTools): CredentialSource | undefined {
  const { username, password, passwordFile, dockerConfig, tokenCommand } = settings;
  if (tokenCommand !== undefined) return tokenCommandCredentials({ command: tokenCommand, username }, tools);
  if (dockerConfig !== undefined) return dockerConfigCredentials(dockerConfig, tools);
  if (username === undefined) return undefined;
  if (passwordFile !== undefined) return passwordFileCredentials(username, passwordFile, tools);
  return password === undefined ? undefined : fixedCredentials({ username, password });
}
