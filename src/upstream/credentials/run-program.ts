import { type ChildProcess, spawn } from 'node:child_process';
import { unlessAborted } from '../../util/locks/single-flight.ts';

/** A program to run. No shell ever sees it. */
export interface ProgramCall {
  /** A path, or a name that is looked up in the PATH of `env`. */
  readonly program: string;
  readonly args: readonly string[];
  /** What it reads from its standard input; nothing, unless given. */
  readonly input?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly limitMs?: number;
}

/** What became of a program that ended by itself. */
export interface ProgramResult {
  readonly exitCode: number;
  /** Its standard output: secrets, for all that is known. Its standard error goes nowhere. */
  readonly output: string;
}

/** Cloud tools that log in anew take several seconds; who waits for a registry's answer waits for less than thirty. */
const defaultLimitMs = 20_000;
/** Tokens with hundreds of groups in them are far smaller. */
const maxOutputBytes = 256 * 1024;

/**
 * Runs a program to its end.
 * @throws Error that says why it did not end by itself, and quotes nothing of it; the signal's reason when that fires
 */
export async function runProgram(call: ProgramCall, signal: AbortSignal): Promise<ProgramResult> {
  signal.throwIfAborted();
  const { limitMs = defaultLimitMs } = call;
  const limit = AbortSignal.timeout(limitMs);
  const child = start(call);
  try {
    return await unlessAborted(resultOf(child), AbortSignal.any([signal, limit]));
  } catch (error) {
    signal.throwIfAborted();
    throw limit.aborted ? new Error(`it did not end within ${limitMs} ms`) : error;
  } finally {
    end(child);
  }
}

function start({ program, args, input, env }: ProgramCall): ChildProcess {
  // In a process group of its own, so that what it starts ends with it.
  const child = spawn(program, args, { env: withoutOurs(env), stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  child.stdin?.on('error', () => {}); // a program need not read what it is given
  child.stdin?.end(input ?? '');
  return child;
}

/** What is configured here, passwords of other upstreams among it, is no program's business. */
function withoutOurs(env: ProgramCall['env']): Record<string, string | undefined> {
  const ours = /^(?:ENTREPOT_|REGISTRY_PROXY_|(?:DOCKERHUB|GHCR|QUAY)_(?:USERNAME|PASSWORD)$)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name)));
}

function resultOf(child: ChildProcess): Promise<ProgramResult> {
  const parts: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      reject(new Error(`it cannot be started (${'code' in error ? String(error.code) : error.name})`));
    });
    child.stdout?.on('data', (part: Buffer) => {
      length += part.length;
      if (length > maxOutputBytes) reject(new Error(`it printed more than ${maxOutputBytes} bytes`));
      else parts.push(part);
    });
    child.on('close', (exitCode, killedBy) => {
      if (exitCode === null) reject(new Error(`it was ended by ${killedBy}`));
      else resolve({ exitCode, output: Buffer.concat(parts).toString('utf8') });
    });
  });
}

function end(child: ChildProcess): void {
  child.stdout?.destroy();
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The system has no such groups: then the program alone is what can be ended.
    child.kill('SIGKILL');
  }
}
