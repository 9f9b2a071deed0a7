import { type ProgramCall, runProgram } from '../../util/system/run-program.ts';
import type { Credentials } from './credential-source.ts';
import { credentialsOf } from './docker-config.ts';

/**
 * Asks a docker credential helper, `docker-credential-<name> get`, for a server; undefined when it has nothing.
 * @throws Error that quotes nothing of what it printed; the signal's reason when that fires
 */
export async function askHelper(
  name: string,
  server: string,
  env: ProgramCall['env'],
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  const call = { program: programOfHelper(name), args: ['get'], input: `${server}\n`, env };
  const { exitCode, output } = await runProgram(call, signal);
  if (exitCode !== 0) {
    // The words by which docker knows it, too.
    if (output.includes('credentials not found')) return undefined;
    throw new Error(`it ended with ${exitCode}`);
  }
  return readAnswer(output);
}

/** The program of a helper. */
export function programOfHelper(name: string): string {
  return `docker-credential-${name}`;
}

function readAnswer(output: string): Credentials | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    throw new Error('it printed no JSON');
  }
  const { Username, Secret } = (answer ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof Username !== 'string' || typeof Secret !== 'string') throw new Error('it printed no Username and Secret');
  return Secret === '' ? undefined : credentialsOf(Username, Secret);
}
