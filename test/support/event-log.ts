import type { Log, LogEvent } from '../../src/util/log/log.ts';
import type { LoggedEvent } from './stages/test-cache.ts';

interface Waiter {
  readonly name: string;
  readonly count: number;
  resolve(event: LoggedEvent): void;
}

/** A log that keeps every event, and lets a test wait for them. */
export class EventLog implements Log {
  readonly events: LoggedEvent[] = [];
  readonly debug: LogEvent = (facts, event) => this.#add({ level: 'debug', event, facts });
  readonly info: LogEvent = (facts, event) => this.#add({ level: 'info', event, facts });
  readonly warn: LogEvent = (facts, event) => this.#add({ level: 'warn', event, facts });
  readonly error: LogEvent = (facts, event) => this.#add({ level: 'error', event, facts });
  #waiters: Waiter[] = [];

  /** Every event of this name so far. */
  named(name: string): LoggedEvent[] {
    return this.events.filter(({ event }) => event === name);
  }

  /** Resolves with the event of this name and number, come or to come. */
  waitFor(name: string, count = 1): Promise<LoggedEvent> {
    return new Promise((resolve) => {
      this.#waiters.push({ name, count, resolve });
      this.#wake();
    });
  }

  /** Resolves with the facts of all `request` events, once there are so many. */
  async requests(count: number): Promise<LoggedEvent['facts'][]> {
    await this.waitFor('request', count);
    return this.named('request').map(({ facts }) => facts);
  }

  #add(event: LoggedEvent): void {
    this.events.push(event);
    this.#wake();
  }

  #wake(): void {
    this.#waiters = this.#waiters.filter(({ name, count, resolve }) => {
      const found = this.named(name)[count - 1];
      if (found !== undefined) resolve(found);
      return found === undefined;
    });
  }
}
