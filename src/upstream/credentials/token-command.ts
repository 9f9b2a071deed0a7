import { basename } from 'node:path';
import { runProgram } from '../../util/system/run-program.ts';
import type { Clock } from '../../util/time/clock.ts';
import { reasonOf } from '../../util/watched/watched-file.ts';
import type { CredentialSource, Credentials } from './credential-source.ts';
import { type CredentialTools, credentialsUnavailable, logFailure } from './credential-tools.ts';
import { credentialsOf } from './docker-config.ts';
import { type Fresh, RenewedValue } from './renewed-value.ts';

/** A command that prints credentials: a program, its arguments, and the user where the command does not name one. */
export interface TokenCommand {
  readonly command: readonly [program: string, ...args: string[]];
  readonly username: string | undefined;
}

/** Credentials that a command prints: it is run once for any number of waiters, and again before they end. */
export function tokenCommandCredentials(settings: TokenCommand, tools: CredentialTools): CredentialSource {
  const [program, ...args] = settings.command;
  const token = new RenewedValue<Credentials>({
    clock: tools.clock,
    stopping: tools.stopping,
    load: async (signal) => {
      try {
        const { exitCode, output } = await runProgram({ program, args, env: tools.env }, signal);
        if (exitCode !== 0) throw new Error(`it ended with ${exitCode}`);
        return readToken(output, settings.username, tools.clock);
      } catch (error) {
        // The program alone: an argument may be a secret.
        if (!signal.aborted) logFailure(tools, basename(program), reasonOf(error));
        throw error;
      }
    },
  });
  return {
    async current(_server, signal) {
      try {
        return await token.get(signal);
      } catch {
        signal.throwIfAborted();
        throw credentialsUnavailable(tools);
      }
    },
    refused: (_server, credentials) => token.refused(credentials),
  };
}

/**
 * Reads what a command printed: a password on the first line, or JSON.
 * @throws Error that quotes nothing of it
 */
export function readToken(output: string, username: string | undefined, clock: Clock): Fresh<Credentials> {
  const text = output.trim();
  const printed = text.startsWith('{') ? readJson(text) : { password: text.split(/\r?\n/, 1)[0]!.trim() };
  const password = printed['password'] ?? printed['token'];
  if (typeof password !== 'string' || password === '') throw new Error('it printed no password and no token');
  const user = printed['username'] ?? username;
  if (typeof user !== 'string' || user === '') {
    throw new Error("it printed no username, and the upstream's configuration has none");
  }
  return { value: credentialsOf(user, password), lifeMs: lifeOf(printed, clock) };
}

function readJson(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    throw new Error('it printed something that begins like JSON and is not'); // not the error of JSON: it quotes
  }
}

function lifeOf({ expiresInSeconds, expiresAt }: Readonly<Record<string, unknown>>, clock: Clock): number | undefined {
  if (expiresInSeconds === undefined && expiresAt === undefined) return undefined;
  const lifeMs =
    expiresInSeconds === undefined ? Date.parse(String(expiresAt)) - clock.now() : Number(expiresInSeconds) * 1000;
  if (Number.isNaN(lifeMs)) throw new Error('it printed an end of life that is no time');
  if (lifeMs <= 0) throw new Error('it printed a token that has ended already');
  return lifeMs;
}
