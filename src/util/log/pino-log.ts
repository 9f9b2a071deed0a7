import pino from 'pino';
import type { Log } from './log.ts';

/** How a log is written. */
export interface PinoLogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** `auto` is `pretty` on a terminal. */
  readonly format: 'json' | 'pretty' | 'auto';
}

/** A log, and how to have all of it written before the process ends. */
export interface OpenLog {
  readonly log: Log;
  flush(): void;
}

/** Lines are written together once there is this much, or after a second: one system call for many requests. */
const buffering = {
  minLength: 8 * 1024,
  periodicFlush: 1_000,
  sync: false,
  contentMode: 'buffer', // of text, all that waits is measured again for each line: a tenth of a small answer
} as const;

// Rendering the time is the dearest part of a line, and under load many lines are of the same millisecond.
function isoTime(): () => string {
  let renderedMs = 0;
  let rendered = '';
  return () => {
    const nowMs = Date.now();
    if (nowMs !== renderedMs) {
      renderedMs = nowMs;
      rendered = `,"time":"${new Date(nowMs).toISOString()}"`;
    }
    return rendered;
  };
}

// The number that pino writes otherwise means nothing to those who read logs.
const levelName = (level: string): { level: string } => ({ level });

// pino-pretty writes these as they are, and all else as JSON: what a client sent must neither command a terminal, nor
// look like a line of ours.
function printableError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { stack, ...others } = pino.stdSerializers.err(error);
  return { ...others, stack: stack.replace(/[^\P{Cc}\n\t]/gu, escaped) };
}

function escaped(control: string): string {
  return `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Opens the log on standard output. */
export async function openPinoLog({ level, format }: PinoLogOptions): Promise<OpenLog> {
  if (format === 'pretty' || (format === 'auto' && process.stdout.isTTY)) {
    const { default: pretty } = await import('pino-pretty'); // most servers need none of it
    const stream = pretty({
      ...{ colorize: process.stdout.isTTY, sync: true, ignore: 'pid,hostname' },
      singleLine: true, // a request has eleven facts: on a line for each, two requests fill a screen
      customPrettifiers: { name: (name) => JSON.stringify(name) },
    });
    return { log: pino({ level, serializers: { err: printableError } }, stream), flush: () => {} };
  }
  const destination = pino.destination({ fd: 1, ...buffering });
  const bytes = destination as unknown as { write(line: Uint8Array): boolean }; // its types know text alone
  const lines = { write: (line: string) => void bytes.write(Buffer.from(line)) };
  const options = { level, base: null, timestamp: isoTime(), formatters: { level: levelName } };
  return {
    log: pino(options, lines),
    // Standard output may be gone already; then there is nobody to read what is left.
    flush: () => {
      try {
        destination.flushSync();
      } catch {}
    },
  };
}
