import { once } from 'node:events';
import { realpath } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { SetupError } from '../target.ts';
import { digestOf, type Machine } from './machine.ts';

const waitMs = 30_000; // far more than a few small files take

/**
 * Does something while no other process changes the files of the same machine: two at a time would each write a journal
 * without the other's entries. The lock is a socket that has a name and no file, so it goes with its process, however that ends.
 * @throws SetupError CANNOT_WRITE when another takes too long
 */
export async function withSetupLock<T>(machine: Machine, work: () => Promise<T>, limitMs = waitMs): Promise<T> {
  // Such names are Linux's alone; elsewhere no daemon reads these files.
  if (process.platform !== 'linux') return work();
  const path = `\0entrepot-setup-${digestOf(Buffer.from(await realpath(machine.root)))}`;
  const signal = AbortSignal.timeout(limitMs);
  const waiting = new Set<Socket>();
  const server = await take(path, waiting, signal);
  try {
    return await work();
  } finally {
    server.close();
    for (const socket of waiting) socket.destroy();
  }
}

async function take(path: string, waiting: Set<Socket>, signal: AbortSignal): Promise<Server> {
  for (;;) {
    const server = createServer((socket) => {
      waiting.add(socket);
      socket.on('error', () => socket.destroy()).on('close', () => waiting.delete(socket));
    });
    try {
      server.listen(path);
      await once(server, 'listening');
      server.unref();
      return server;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
    await whileHeld(path, signal);
  }
}

/** Resolves when whoever holds the lock lets it go: that ends the connection, if it is not refused already. */
async function whileHeld(path: string, signal: AbortSignal): Promise<void> {
  const socket = connect(path).resume();
  const stop = () => socket.destroy();
  signal.addEventListener('abort', stop);
  try {
    await new Promise<void>((resolve) => socket.on('error', stop).on('close', () => resolve()));
  } finally {
    signal.removeEventListener('abort', stop);
  }
  if (!signal.aborted) return;
  throw new SetupError('CANNOT_WRITE', 'Cannot write: another `entrepot setup` writes here and does not end');
}
