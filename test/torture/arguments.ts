import { parseArgs } from 'node:util';

/** How long, and how. */
export interface TortureArguments {
  readonly minutes: number;
  readonly seed: number;
  /** Whether logs and data stay where they are, also when nothing was wrong. */
  readonly keep: boolean;
}

/**
 * Reads the command line.
 * @throws Error that says what is wrong with it
 */
export function readArguments(args: readonly string[]): TortureArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string', default: `${Math.floor(Math.random() * 2 ** 31)}` },
      keep: { type: 'boolean', default: false },
    },
  });
  return { minutes: numberOf('minutes', values.minutes), seed: numberOf('seed', values.seed), keep: values.keep };
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new Error(`Cannot use --${name} "${text}": expected a number`);
  return value;
}
