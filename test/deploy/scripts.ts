import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';

/** Has ShellCheck read every script of deploy/ and of its tests. @throws Error with what it found */
export function lintScripts(root: string): void {
  const scripts = globSync(['deploy/**/*.sh', 'test/deploy/*.sh'], { cwd: root }).sort();
  try {
    execFileSync('shellcheck', ['--external-sources', ...scripts], { cwd: root, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    throw new Error(String((error as { stdout?: string }).stdout || error));
  }
}
