import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A process that was started, and must be ended. */
export interface Process {
  readonly pid: number;
  /** Whether it runs. */
  readonly isRunning: boolean;
  /** Resolves with the exit code, or the signal, that it ended by. */
  readonly ended: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
}

/** The processes of one run, so that all can be ended by their number, whatever went wrong. */
export class Processes {
  readonly #children = new Set<ChildProcess>();

  /** Starts a process; both its outputs are added to a file. */
  start(command: readonly string[], logFile: string, env: NodeJS.ProcessEnv = process.env): Process {
    const log = openSync(logFile, 'a');
    const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', log, log], env });
    closeSync(log);
    this.#children.add(child);
    const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        this.#children.delete(child);
        resolve(code ?? signal ?? -1);
      });
    });
    ended.catch(() => {}); // whoever waits for it is told
    return {
      get pid() {
        return child.pid!;
      },
      get isRunning() {
        return child.exitCode === null && child.signalCode === null;
      },
      ended,
      kill: (signal) => void child.kill(signal),
    };
  }

  /** Ends all that run still. */
  endAll(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

const pollMs = 20;

/** Asks again and again until the answer is yes; no when the time is over. */
export async function eventually(limitMs: number, ask: () => Promise<boolean> | boolean): Promise<boolean> {
  const untilMs = performance.now() + limitMs;
  for (;;) {
    if (await ask()) return true;
    if (performance.now() > untilMs) return false;
    await delay(pollMs);
  }
}

/** Whether a server answers a GET of this address with success. */
export async function answers(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000), headers: { connection: 'close' } });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}

/** A port of loopback that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
