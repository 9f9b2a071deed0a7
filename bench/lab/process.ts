import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A server that was started, and is ended with `stop`. */
export interface Server {
  readonly pid: number;
  stop(): Promise<void>;
}

const startLimitMs = 20_000;
const stopLimitMs = 20_000;
const pollMs = 20;

/**
 * Starts a server and waits until it takes connections.
 * @throws Error with the end of its log when it does not
 */
export async function startServer(
  command: readonly string[],
  at: { readonly host: string; readonly port: number },
  logFile: string,
): Promise<Server> {
  const log = openSync(logFile, 'w');
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', log, log] });
  closeSync(log);
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  try {
    await Promise.race([failed, waitForPort(at, child)]);
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`${command[0]} did not start: ${readFileSync(logFile, 'utf8').slice(-1000)}`, { cause: error });
  }
  return { pid: child.pid!, stop: () => stopProcess(child) };
}

async function waitForPort(at: { readonly host: string; readonly port: number }, child: ChildProcess): Promise<void> {
  const limit = Date.now() + startLimitMs;
  while (!(await takesConnections(at))) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    if (Date.now() > limit) throw new Error(`nothing listens on port ${at.port}`);
    await delay(pollMs);
  }
}

function takesConnections({ host, port }: { readonly host: string; readonly port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, host, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), stopLimitMs);
  await ended;
  clearTimeout(kill);
}

/** The most memory that a process has had resident so far, in bytes. */
export function peakResidentBytes(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (line === undefined) throw new Error(`Cannot read the memory of process ${pid}`);
  return Number(line) * 1024;
}

/** A port of loopback that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
