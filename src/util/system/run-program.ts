import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { unlessAborted } from '../locks/single-flight.ts';

/** A program to run. No shell ever sees it. */
export interface ProgramCall {
  /** A path, or a name that is looked up in the PATH of `env`. */
  readonly program: string;
  readonly args: readonly string[];
  /** What it reads from its standard input; nothing, unless given. */
  readonly input?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly limitMs?: number;
  /** Whether what it says on its standard error is wanted; not, unless given. */
  readonly wantsErrors?: boolean;
  /** How much it may print; a small text, unless given. */
  readonly maxOutputBytes?: number;
  /** How long it may take to end by itself when it is not to go on; it is killed at once, unless given. */
  readonly endGraceMs?: number;
}

/** What became of a program that ended by itself. */
export interface ProgramResult {
  readonly exitCode: number;
  /** Its standard output: secrets, for all that is known. */
  readonly output: string;
  /** Its standard error, where it is wanted: the same; elsewhere it goes nowhere. */
  readonly errors?: string;
}

/** Runs programs: `runProgram`, or what a test has in its place. */
export type RunProgram = (call: ProgramCall, signal: AbortSignal) => Promise<ProgramResult>;

/** Cloud tools that log in anew take several seconds; who waits for a registry's answer waits for less than thirty. */
const defaultLimitMs = 20_000;
/** Tokens with hundreds of groups in them are far smaller. */
const defaultOutputBytes = 256 * 1024;

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
    return await unlessAborted(resultOf(child, call), AbortSignal.any([signal, limit]));
  } catch (error) {
    signal.throwIfAborted();
    throw limit.aborted ? new Error(`it did not end within ${limitMs} ms`) : error;
  } finally {
    await end(child, call.endGraceMs ?? 0);
  }
}

function start({ program, args, input, env, wantsErrors }: ProgramCall): ChildProcess {
  const child = spawn(program, args, {
    env: withoutOurs(env),
    stdio: ['pipe', 'pipe', wantsErrors ? 'pipe' : 'ignore'],
    // In a process group of its own, so that what it starts ends with it.
    detached: true,
  });
  child.stdin?.on('error', () => {}); // a program need not read what it is given
  child.stdin?.end(input ?? '');
  return child;
}

/** What is configured here, passwords of other upstreams among it, is no program's business. */
function withoutOurs(env: ProgramCall['env']): Record<string, string | undefined> {
  const ours = /^(?:ENTREPOT_|REGISTRY_PROXY_|(?:DOCKERHUB|GHCR|QUAY)_(?:USERNAME|PASSWORD)$)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name)));
}

function resultOf(
  child: ChildProcess,
  { maxOutputBytes = defaultOutputBytes, wantsErrors }: ProgramCall,
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const tooMuch = () => reject(new Error(`it printed more than ${maxOutputBytes} bytes`));
    const output = gather(child.stdout, maxOutputBytes, tooMuch);
    const errors = gather(child.stderr, maxOutputBytes, tooMuch);
    child.on('error', (error) => {
      reject(new Error(`it cannot be started (${'code' in error ? String(error.code) : error.name})`));
    });
    child.on('close', (exitCode, killedBy) => {
      if (exitCode === null) reject(new Error(`it was ended by ${killedBy}`));
      else resolve({ exitCode, output: output(), ...(wantsErrors ? { errors: errors() } : {}) });
    });
  });
}

function gather(stream: Readable | null, maxBytes: number, tooMuch: () => void): () => string {
  const parts: Buffer[] = [];
  let length = 0;
  stream?.on('data', (part: Buffer) => {
    length += part.length;
    if (length > maxBytes) tooMuch();
    else parts.push(part);
  });
  return () => Buffer.concat(parts).toString('utf8');
}

async function end(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.pid !== undefined && !isOver(child) && graceMs > 0) await endWithin(child, graceMs);
  child.stdout?.destroy();
  child.stderr?.destroy();
  if (child.pid !== undefined && !isOver(child)) sendSignal(child, 'SIGKILL');
}

function endWithin(child: ChildProcess, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const limit = setTimeout(resolve, graceMs);
    child.once('exit', () => {
      clearTimeout(limit);
      resolve();
    });
    sendSignal(child, 'SIGTERM');
  });
}

function isOver({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function sendSignal(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid ?? Number.NaN), signal);
  } catch {
    // The system has no such groups: then the program alone is what can be ended.
    child.kill(signal);
  }
}
