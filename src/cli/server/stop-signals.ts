/** What gives the signals: `process`, or a test. */
export interface SignalSource {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
}

// A terminal's Ctrl-C comes twice when npm runs us: from the terminal, and passed on by npm.
const echoMs = 500;

/** Resolves with the first signal that asks to stop; at a second one, calls `exitAtOnce`. */
export function askedToStop(source: SignalSource, nowMs: () => number, exitAtOnce: () => void): Promise<void> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    const take = () => {
      if (firstMs === undefined) {
        firstMs = nowMs();
        resolve();
      } else if (nowMs() - firstMs > echoMs) exitAtOnce();
    };
    source.on('SIGTERM', take);
    source.on('SIGINT', take);
  });
}
