import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from './wait.ts';

// The largest image takes seconds; what takes longer hangs, and should say so before the test runner gives up.
const commandLimitMs = 90_000;

// Daemons get this long to end after SIGTERM.
const stopLimitMs = 15_000;

/**
 * Runs a command to its end and gives its standard output.
 * @throws Error with both its outputs when it fails or takes too long
 */
export function run(command: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      env: { ...process.env, ...env },
      timeout: commandLimitMs,
      killSignal: 'SIGKILL' as const,
      maxBuffer: 64 * 1024 * 1024, // a manifest or an inspection is a few KiB
    };
    execFile(command, args, options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const failure = `Cannot run "${command} ${args.join(' ')}": it failed\n${stdout}${stderr}`;
      reject(new Error(failure, { cause: error }));
    }).stdin?.end();
  });
}

/** A server in the background. */
export interface Daemon {
  /** How it ended; only after it has. */
  readonly exitCode: number | null;
  /** Waits until it is ready, or fails with the end of its log when it has ended instead. */
  ready(isReady: () => Promise<boolean>): Promise<void>;
  /** Sends SIGTERM and waits for the end; SIGKILL when that takes too long. */
  stop(): Promise<void>;
}

/** What a daemon writes: one file for both outputs, or one for each. */
export interface DaemonOutput {
  readonly log: string;
  readonly standardOutput?: string;
}

/** Starts a server in the background. */
export function startDaemon(
  command: string,
  args: string[],
  output: DaemonOutput,
  env: Record<string, string> = {},
): Daemon {
  const log = openSync(output.log, 'a');
  const standardOutput = output.standardOutput === undefined ? log : openSync(output.standardOutput, 'a');
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', standardOutput, log] });
  for (const file of new Set([log, standardOutput])) closeSync(file);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  return {
    get exitCode() {
      return child.exitCode;
    },
    ready: (isReady) => waitUntilReady(command, child, output.log, isReady),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const giveUp = new AbortController();
      const kill = delay(stopLimitMs, undefined, { signal: giveUp.signal }).then(
        () => child.kill('SIGKILL'),
        () => false,
      );
      await ended;
      giveUp.abort();
      await kill;
    },
  };
}

async function waitUntilReady(
  command: string,
  child: ChildProcess,
  log: string,
  isReady: () => Promise<boolean>,
): Promise<void> {
  let died = false;
  await waitFor(`"${command}" being ready`, async () => {
    died = child.exitCode !== null || child.signalCode !== null;
    return died || (await isReady()) || undefined;
  }).catch(async (error) => {
    throw new Error(`Cannot use "${command}": it is not ready\n${await endOf(log)}`, { cause: error });
  });
  if (died) throw new Error(`Cannot use "${command}": it ended at once\n${await endOf(log)}`);
}

async function endOf(log: string): Promise<string> {
  const shownBytes = 4096; // the reason is in the last lines
  const file = await open(log);
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - shownBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(shownBytes), 0, shownBytes, start);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
