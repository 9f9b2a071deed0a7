import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../../../src/cli/program.ts';

/** What a command ended with, and what it said. */
export interface ToolRun {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Where a command works. */
export interface ToolPlace {
  /** A folder for its configuration file, and its data unless `settings` name another. */
  readonly folder: string;
  /** What the configuration file says, beside the data folder. */
  readonly settings: object;
}

/** What a command finds around it; nothing, unless given. */
export interface ToolWorld {
  readonly env?: Readonly<Record<string, string>>;
  /** Is told of each text as it is written to standard output. */
  readonly said?: (text: string) => void;
}

/** Runs the command line in this process, as a process of its own would run it, and gives what it said. */
export async function runCommandLine(args: readonly string[], { env = {}, said }: ToolWorld = {}): Promise<ToolRun> {
  let [out, error] = ['', ''];
  const code = await runProgram(args, {
    env,
    writeOut(text) {
      out += text;
      said?.(text);
    },
    writeError(text) {
      error += text;
    },
  });
  return { code, out, error };
}

/** Runs a command with a configuration file of its own, and gives what it said. */
export function runTool({ folder, settings }: ToolPlace, ...args: readonly string[]): Promise<ToolRun> {
  const file = join(folder, 'entrepot.yaml');
  writeFileSync(file, JSON.stringify({ data: folder, ...settings })); // every JSON is YAML
  const [command = '', ...rest] = args;
  return runCommandLine([command, '--config', file, ...rest]);
}
