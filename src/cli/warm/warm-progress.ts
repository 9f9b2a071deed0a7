import { formatSize } from '../../config/schema/values/size.ts';
import { type Clock, systemClock } from '../../util/time/clock.ts';
import type { WarmedImage, WarmingBlob, WarmObserver } from '../../warm/warm-images.ts';
import { describeProgress } from '../terminal/progress.ts';
import { plainText, type Terminal } from '../terminal/terminal.ts';

const barsEveryMs = 200;
const lineEveryMs = 10_000; // where nobody watches, each is kept
const mostBars = 10; // more would not stay on a small screen, and what scrolls away cannot be written anew
const shownDigestLength = 19; // `sha256:` and twelve digits, as docker shows them

/** What is shown while images are warmed; `end` is called once. */
export interface WarmProgress extends WarmObserver {
  end(): void;
}

/** Shows on standard error how far it is: a bar for each blob on its way and one in all, or now and then a line. */
export function showWarmProgress(
  terminal: Terminal,
  say: (line: string) => void,
  clock: Clock = systemClock,
): WarmProgress {
  const isWatched = terminal.isWatched === true;
  const beganMs = clock.now();
  const state = new Running();
  let shown = 0;
  const clear = () => {
    if (shown > 0) terminal.writeError(`\x1b[${shown}A\x1b[J`);
    shown = 0;
  };
  const show = () => {
    const total = `${state.totalText(clock.now() - beganMs)}\n`;
    if (!isWatched) return terminal.writeError(total);
    clear();
    const bars = state.bars(clock.now());
    terminal.writeError(`${bars.join('')}${total}`);
    shown = bars.length + 1;
  };
  const stop = new AbortController();
  const showAgain = async () => {
    for (;;) {
      await clock.sleep(isWatched ? barsEveryMs : lineEveryMs, stop.signal);
      show();
    }
  };
  showAgain().catch(() => {}); // it was stopped
  return {
    planned: (sizeBytes) => state.planned(sizeBytes),
    began: (blob) => state.began(blob, clock.now()),
    progressed: (blob, doneBytes) => state.progressed(blob, doneBytes),
    ended: (blob) => state.ended(blob),
    finished(image) {
      clear();
      say(describeWarmed(image));
    },
    end() {
      stop.abort();
      clear();
    },
  };
}

/** What became of an image, in a line. */
export function describeWarmed({ name, platforms, fetchedBytes, presentBytes, stale, error }: WarmedImage): string {
  if (error !== undefined) return `Failed ${plainText(name)}: ${plainText(error)}`;
  const parts = [
    ...(fetchedBytes > 0 ? [`${formatSize(fetchedBytes)} fetched`] : []),
    ...(presentBytes > 0 || fetchedBytes === 0 ? [`${formatSize(presentBytes)} were here`] : []),
  ];
  const which = platforms.length === 0 ? '' : ` (${plainText(platforms.join(', '))})`;
  const aged =
    stale === undefined ? '' : `; its tag may have moved, as upstream could not be asked: ${plainText(stale)}`;
  return `Warm ${plainText(name)}${which}: ${parts.join(', ')}${aged}`;
}

class Running {
  #plannedBytes = 0;
  #endedBytes = 0;
  readonly #running = new Map<WarmingBlob, { doneBytes: number; readonly beganMs: number }>();

  planned(sizeBytes: number): void {
    this.#plannedBytes += sizeBytes;
  }

  began(blob: WarmingBlob, beganMs: number): void {
    this.#running.set(blob, { doneBytes: 0, beganMs });
  }

  progressed(blob: WarmingBlob, doneBytes: number): void {
    const running = this.#running.get(blob);
    if (running) running.doneBytes = doneBytes;
  }

  ended(blob: WarmingBlob): void {
    this.#running.delete(blob);
    this.#endedBytes += blob.sizeBytes;
  }

  bars(nowMs: number): string[] {
    const all = [...this.#running].slice(0, mostBars);
    return all.map(([{ digest, sizeBytes }, { doneBytes, beganMs }]) => {
      return `${digest.slice(0, shownDigestLength)} ${describeProgress(doneBytes, sizeBytes, nowMs - beganMs)}\n`;
    });
  }

  totalText(elapsedMs: number): string {
    let doneBytes = this.#endedBytes;
    for (const running of this.#running.values()) doneBytes += running.doneBytes;
    return `${'In all'.padEnd(shownDigestLength)} ${describeProgress(doneBytes, this.#plannedBytes, elapsedMs)}`;
  }
}
