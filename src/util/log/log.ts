/** Writes one event: its facts, then its name, a few words that never change, so that people can search for it. */
export type LogEvent = (facts: Readonly<Record<string, unknown>>, event: string) => void;

/** Where events go; a pino logger is one. No fact is ever a secret, nor a URL with a query. */
export interface Log {
  readonly debug: LogEvent;
  readonly info: LogEvent;
  readonly warn: LogEvent;
  readonly error: LogEvent;
}

/** Keeps nothing: for parts that are used without a log. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
