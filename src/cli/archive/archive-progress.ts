import { type Clock, systemClock } from '../../util/time/clock.ts';
import { describeProgress } from '../terminal/progress.ts';
import type { Terminal } from '../terminal/terminal.ts';

const barEveryMs = 200;
const lineEveryMs = 10_000; // where nobody watches, each is kept

/** What is shown while an archive is written or read; `end` is called once. */
export interface ArchiveProgress {
  /** So many more bytes are done. */
  add(bytes: number): void;
  /** Writes a line in its place. */
  say(line: string): void;
  end(): void;
}

/** Shows on standard error how far it is: in a line that is written anew, or where nobody watches now and then. */
export function showArchiveProgress(
  terminal: Terminal,
  totalBytes: number,
  say: (line: string) => void,
  clock: Clock = systemClock,
): ArchiveProgress {
  const isWatched = terminal.isWatched === true;
  const clear = isWatched ? '\r\x1b[K' : '';
  const beganMs = clock.now();
  const stop = new AbortController();
  let doneBytes = 0;
  const showAgain = async () => {
    for (;;) {
      await clock.sleep(isWatched ? barEveryMs : lineEveryMs, stop.signal);
      const text = describeProgress(doneBytes, totalBytes, clock.now() - beganMs);
      terminal.writeError(isWatched ? `${clear}${text}` : `${text}\n`);
    }
  };
  showAgain().catch(() => {}); // it was stopped
  return {
    add(bytes) {
      doneBytes += bytes;
    },
    say(line) {
      if (isWatched) terminal.writeError(clear);
      say(line);
    },
    end() {
      stop.abort();
      if (isWatched) terminal.writeError(clear);
    },
  };
}
