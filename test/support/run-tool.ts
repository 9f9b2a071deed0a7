import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../../src/cli/program.ts';

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

/** Runs a command in this process, as a process of its own would run it, and gives what it said. */
export async function runTool({ folder, settings }: ToolPlace, ...args: readonly string[]): Promise<ToolRun> {
  const file = join(folder, 'entrepot.yaml');
  writeFileSync(file, JSON.stringify({ data: folder, ...settings })); // every JSON is YAML
  const [command = '', ...rest] = args;
  const said = { out: '', error: '' };
  const code = await runProgram([command, '--config', file, ...rest], {
    env: {},
    writeOut: (text) => {
      said.out += text;
    },
    writeError: (text) => {
      said.error += text;
    },
  });
  return { code, ...said };
}
