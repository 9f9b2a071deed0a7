import type { ProgramResult, RunProgram } from '../../util/system/run-program.ts';

/** What runs a client's program. */
export interface ProgramTools {
  readonly run: RunProgram;
  /** Where programs are looked for, and what they are told of their daemons. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a client's program ended with, its standard error among it. */
export type ClientResult = Required<ProgramResult>;

/** Asks a client's program for something; `limitMs` is for what should be quick. */
export type AskClient = (
  args: readonly string[],
  signal: AbortSignal,
  options?: { readonly limitMs?: number },
) => Promise<ClientResult>;

const pullLimitMs = 60 * 60_000; // the largest images, by the slowest way; Ctrl-C is for everything shorter
const endGraceMs = 10_000; // until a client has given up what it was pulling
const maxOutputBytes = 64 * 1024 * 1024; // ctr draws its progress anew ten times a second, for as long as it takes

/** Makes what asks one program. */
export function clientProgram(program: string, { run, env }: ProgramTools): AskClient {
  return async (args, signal, { limitMs = pullLimitMs } = {}) => {
    const call = { program, args, env, limitMs, endGraceMs, maxOutputBytes, wantsErrors: true };
    return { errors: '', ...(await run(call, signal)) };
  };
}

/** What a program that failed says of it: its last line, which is where programs say why. */
export function failureOf({ exitCode, errors, output }: ClientResult): Error {
  const lines = (errors.trim() || output.trim()).split(/[\r\n]+/);
  // They are somebody else's words, and printed: nothing that a terminal would obey.
  const last = (lines.at(-1) ?? '').replace(/[^\x20-\x7e]/g, ' ').trim();
  return new Error(last === '' ? `it ended with ${exitCode}` : last.slice(0, 500));
}

/** How many lines of a text match. */
export function countLines(text: string, pattern: RegExp): number {
  return text.split(/[\r\n]+/).filter((line) => pattern.test(line)).length;
}

const probeLimitMs = 5_000; // a daemon that takes longer to say its version is none to measure with

/** The version that a program says, which is how one finds out that it is there and works; undefined when it does not. */
export async function versionOf(
  ask: AskClient,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { exitCode, output } = await ask(args, signal, { limitMs: probeLimitMs });
    const [version] = /\d[\w.+~-]*/.exec(output) ?? [];
    return exitCode === 0 ? version : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
