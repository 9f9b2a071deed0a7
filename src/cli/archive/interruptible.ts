import { CommandFailure } from '../command-failure.ts';

const signals = ['SIGINT', 'SIGTERM'] as const;

/** Does something that ends cleanly when the process is asked to stop, and says so with the message. */
export async function interruptible<T>(message: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const interrupt = () => stop.abort(new CommandFailure(message));
  for (const name of signals) process.once(name, interrupt);
  try {
    return await work(stop.signal);
  } finally {
    for (const name of signals) process.off(name, interrupt);
  }
}
