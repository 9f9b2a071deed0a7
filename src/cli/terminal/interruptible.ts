import { CommandFailure } from '../command-failure.ts';

const signals = ['SIGINT', 'SIGTERM'] as const;

/** What gives the signals: `process`, or a test. */
export interface InterruptSource {
  on(signal: (typeof signals)[number], listener: () => void): unknown;
  off(signal: (typeof signals)[number], listener: () => void): unknown;
}

/** What is said when it is asked for. */
export interface InterruptOptions {
  /** What the command ends with, as it is by then. */
  message?(): string;
  readonly source?: InterruptSource;
  /** Is called at once. */
  interrupted?(): void;
}

/**
 * Runs something that ends, and puts in order what it has to, once Ctrl-C is pressed or the process is asked to end. Who
 * asks a second time does not want to wait for that: then the process ends as any other does.
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { message = () => 'Broken off', interrupted, source = process }: InterruptOptions = {},
): Promise<T> {
  const stopping = new AbortController();
  const ignore = () => {
    for (const name of signals) source.off(name, stop);
  };
  const stop = () => {
    ignore();
    stopping.abort(new CommandFailure(message()));
    interrupted?.();
  };
  for (const name of signals) source.on(name, stop);
  try {
    return await work(stopping.signal);
  } finally {
    ignore();
  }
}
