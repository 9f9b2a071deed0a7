import { CommandFailure } from '../command-failure.ts';

/** What gives the signals: `process`, or a test. */
export interface InterruptSource {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
  off(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
}

/**
 * Runs something that ends, and puts in order what it has to, once Ctrl-C is pressed or the process is asked to end.
 * @param interrupted is called when that is asked for the first time
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  interrupted: () => void = () => {},
  source: InterruptSource = process,
): Promise<T> {
  const stopping = new AbortController();
  const stop = () => {
    if (stopping.signal.aborted) return;
    stopping.abort(new CommandFailure('Broken off'));
    interrupted();
  };
  source.on('SIGINT', stop);
  source.on('SIGTERM', stop);
  try {
    return await work(stopping.signal);
  } finally {
    source.off('SIGINT', stop);
    source.off('SIGTERM', stop);
  }
}
