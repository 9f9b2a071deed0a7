import { execFile } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { sourceEnvironment } from '../command/source-environment.ts';
import { tmpDir } from '../disk/tmp.ts';
import { projectRoot } from './pages.ts';

const execute = promisify(execFile);

/** A shell for what pages say, in an empty folder, with `entrepot` in the path. */
export interface PageShell {
  readonly folder: string;
  /** What it prints. @throws when it does not end with 0 */
  run(command: string, env?: Readonly<Record<string, string>>): Promise<string>;
  /** The same, with what it prints as errors beside. */
  runAll(command: string, env?: Readonly<Record<string, string>>): Promise<{ stdout: string; stderr: string }>;
}

/** Opens such a shell for a test; nothing of the environment of the tests gets into it but the path, and what sources are run with. */
export function openPageShell(t: TestContext): PageShell {
  const [bin, folder] = [tmpDir(t), tmpDir(t)];
  const entrepot = join(bin, 'entrepot');
  // The variable is the scripts' alone: of its own, Entrepot refuses those that it does not know.
  const command = `unset ENTREPOT_ROOT\nexec '${process.execPath}' '${projectRoot}/src/cli/main.ts' "$@"`;
  writeFileSync(entrepot, `#!/bin/sh\n${command}\n`);
  chmodSync(entrepot, 0o755);
  const path = `${bin}:${process.env['PATH']}`;
  const runAll = (command: string, env = {}) =>
    execute('sh', ['-euc', command], { cwd: folder, env: { PATH: path, ...sourceEnvironment, ...env } });
  return { folder, runAll, run: async (command, env) => (await runAll(command, env)).stdout };
}
