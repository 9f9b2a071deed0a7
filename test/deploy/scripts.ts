import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';

/** Has ShellCheck read every script of deploy/ and of its tests. @throws Error with what it found */
export function lintScripts(root: string): void {
  const scripts = globSync(['deploy/**/*.sh', 'test/{deploy,parsers}/*.sh'], { cwd: root }).sort();
  lint('shellcheck', ['--external-sources', ...scripts], root);
}

/** Has actionlint read the workflows, and ShellCheck, where it is, the scripts in them. @throws Error with what it found */
export function lintWorkflows(root: string, actionlint: string): void {
  lint(actionlint, ['-no-color', ...globSync('.github/workflows/*.yml', { cwd: root })], root);
}

function lint(program: string, args: readonly string[], cwd: string): void {
  try {
    execFileSync(program, args, { cwd, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    throw new Error(String((error as { stdout?: string }).stdout || error));
  }
}
