import type { Clock } from '../../../src/util/time/clock.ts';

/** Someone who waits for a time. */
export interface Sleep {
  readonly delayMs: number;
  readonly dueMs: number;
}

interface Sleeper extends Sleep {
  wake(): void;
}

interface Watcher {
  readonly matches: (delayMs: number) => boolean;
  readonly notify: (sleep: Sleep) => void;
}

const housekeepingMs = 60 * 60_000;

/** A clock that stands still until the test moves it. */
export class ManualClock implements Clock {
  #nowMs: number;
  #sleepers: Sleeper[] = [];
  /** The sleepers that no `nextSleep` has told of yet. */
  #unseen: Sleeper[] = [];
  #watchers: Watcher[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  /** Whole milliseconds, as the system's clock gives them, though a sleep may have ended in between. */
  now(): number {
    return Math.floor(this.#nowMs);
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (delayMs <= 0) return resolve();
      const stop = () => {
        this.#forget(sleeper);
        reject(signal.reason);
      };
      const wake = () => {
        this.#forget(sleeper);
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const sleeper: Sleeper = { delayMs, dueMs: this.#nowMs + delayMs, wake };
      signal.addEventListener('abort', stop, { once: true });
      this.#sleepers.push(sleeper);
      this.#announce(sleeper);
    });
  }

  /** How many sleep now, for less than an hour. */
  get sleeping(): number {
    return this.#sleepers.filter(({ delayMs }) => delayMs < housekeepingMs).length;
  }

  /** Moves the time on and wakes, in the order of their time, all whose time has come. */
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.dueMs <= this.#nowMs).sort((a, b) => a.dueMs - b.dueMs);
    for (const sleeper of due) sleeper.wake();
  }

  /**
   * Resolves when somebody sleeps: at once for one who sleeps already, unless an earlier call told of them. With
   * `matches`, only sleeps of such a delay count; without, those of less than an hour, as longer ones are of
   * housekeeping that goes on beside every test.
   */
  nextSleep(matches: (delayMs: number) => boolean = (delayMs) => delayMs < housekeepingMs): Promise<Sleep> {
    const sleeper = this.#unseen.find((unseen) => matches(unseen.delayMs));
    if (sleeper === undefined) return new Promise((notify) => this.#watchers.push({ matches, notify }));
    this.#unseen = this.#unseen.filter((other) => other !== sleeper);
    return Promise.resolve(sleeper);
  }

  #announce(sleeper: Sleeper): void {
    const watcher = this.#watchers.find((candidate) => candidate.matches(sleeper.delayMs));
    if (watcher === undefined) return void this.#unseen.push(sleeper);
    this.#watchers = this.#watchers.filter((other) => other !== watcher);
    watcher.notify(sleeper);
  }

  #forget(sleeper: Sleeper): void {
    this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
    this.#unseen = this.#unseen.filter((other) => other !== sleeper);
  }
}
