import { stat } from 'node:fs/promises';
import type { Clock } from '../time/clock.ts';

/** What changes from time to time, and who wants to know. */
export interface WatchedStamp {
  /** What is another text after a change. It must not reject. */
  readonly stamp: () => Promise<string>;
  /** The one of what is known already. */
  readonly known: string;
  /** Called after each change, one at a time. It must not reject. */
  readonly changed: () => Promise<void>;
  readonly clock: Clock;
}

/**
 * How often is looked. A change counts when it has stood for one more look, so that whoever writes one file after the
 * other is not caught between them.
 */
const lookAgainMs = 2_000;

/** Looks for changes until the signal fires. */
export async function watchStamp({ stamp, known, changed, clock }: WatchedStamp, signal: AbortSignal): Promise<void> {
  let [told, before] = [known, known];
  while (true) {
    await clock.sleep(lookAgainMs, signal).catch(() => {});
    if (signal.aborted) return;
    const seen = await stamp();
    const isSettled = seen === before;
    before = seen;
    if (seen === told || !isSettled) continue;
    told = seen;
    await changed();
  }
}

/** What changes whenever one of the files does, or is not there any more. */
export async function stampFiles(paths: readonly string[]): Promise<string> {
  return (await Promise.all(paths.map(stampFile))).join('; ');
}

async function stampFile(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
