import { execFile } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot } from './pages.ts';
import { tmpDir } from './tmp.ts';

const execute = promisify(execFile);

/** A shell for what pages say, in an empty folder, with `entrepot` in the path. */
export interface PageShell {
  readonly folder: string;
  /** What it prints. @throws when it does not end with 0 */
  run(command: string, env?: Readonly<Record<string, string>>): Promise<string>;
}

/** Opens such a shell for a test; nothing of the environment of the tests gets into it but the path. */
export function openPageShell(t: TestContext): PageShell {
  const [bin, folder] = [tmpDir(t), tmpDir(t)];
  const entrepot = join(bin, 'entrepot');
  writeFileSync(entrepot, `#!/bin/sh\nexec '${process.execPath}' '${projectRoot}/src/cli/main.ts' "$@"\n`);
  chmodSync(entrepot, 0o755);
  const path = `${bin}:${process.env['PATH']}`;
  const run = async (command: string, env = {}) =>
    (await execute('sh', ['-euc', command], { cwd: folder, env: { PATH: path, ...env } })).stdout;
  return { folder, run };
}
