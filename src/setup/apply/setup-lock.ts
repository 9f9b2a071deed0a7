import { once } from 'node:events';
import { realpath } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { SetupError } from '../target.ts';
import { findLockHolder } from './lock-holder.ts';
import { digestOf, type Machine } from './machine.ts';

const waitMs = 30_000; // far more than a few small files take
const pauseMs = 10; // between two tries; nobody notices that

/**
 * Does something while no other process changes the files of the same machine: two at a time would each write a journal
 * without the other's entries. The lock is a socket that has a name and no file, so it goes with its process, however that ends.
 * @throws SetupError CANNOT_WRITE when another takes too long
 */
export async function withSetupLock<T>(machine: Machine, work: () => Promise<T>, limitMs = waitMs): Promise<T> {
  // Such names are Linux's alone; elsewhere no daemon reads these files.
  if (process.platform !== 'linux') return work();
  const name = `entrepot-setup-${digestOf(Buffer.from(await realpath(machine.root)))}`;
  const signal = AbortSignal.timeout(limitMs);
  const waiting = new Set<Socket>();
  const server = await take(name, waiting, signal);
  try {
    return await work();
  } finally {
    server.close();
    for (const socket of waiting) socket.destroy();
  }
}

async function take(name: string, waiting: Set<Socket>, signal: AbortSignal): Promise<Server> {
  for (;;) {
    const server = createServer((socket) => {
      waiting.add(socket);
      socket.on('error', () => socket.destroy()).on('close', () => waiting.delete(socket));
    });
    try {
      server.listen(`\0${name}`);
      await once(server, 'listening');
      server.unref();
      return server;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
    if (!signal.aborted) await whileHeld(name, signal);
    if (signal.aborted) throw await heldError(name);
  }
}

/** Resolves when whoever holds the lock lets it go: that ends the connection, if it is not refused already. */
async function whileHeld(name: string, signal: AbortSignal): Promise<void> {
  const socket = connect(`\0${name}`).resume();
  const stop = () => socket.destroy();
  signal.addEventListener('abort', stop);
  try {
    await new Promise<void>((resolve) => socket.on('error', stop).on('close', () => resolve()));
  } finally {
    signal.removeEventListener('abort', stop);
  }
  // Who refuses every connection and keeps the name must not keep this process busy.
  await setTimeout(pauseMs, undefined, { signal }).catch(() => {});
}

/** Any user of the machine may take the name, by accident or not: who cannot go on must learn whom to ask, or end. */
async function heldError(name: string): Promise<SetupError> {
  const holder = await findLockHolder(name);
  const who =
    holder === undefined
      ? `another process holds the lock of these files, the socket @${name}, and does not let go; what \`ss -xlp\` shows for ` +
        'it as root is that process: wait for it'
      : `process ${holder.pid} (${holder.program}, of the user with id ${holder.uid}) holds the lock of these files and does ` +
        'not let go; wait for it';
  return new SetupError('CANNOT_WRITE', `Cannot write: ${who}, or end it, and run this again`);
}
