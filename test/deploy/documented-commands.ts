import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificates } from '../support/tls/certs.ts';

/** The commands in the blocks of shell of a page, each in one line and without its comment. */
function commandsOf(page: string): string[] {
  const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text = '']) => text.replaceAll('\\\n', ' '));
  return blocks.flatMap((text) => text.split('\n').map((line) => line.replace(/\s+#.*$/, '').trim()));
}

/** All commands of the pages about deployment. */
function documented(root: string): string[] {
  const pages = globSync(['docs/deploy/*.md', 'deploy/helm/*/README.md'], { cwd: root });
  return pages.flatMap((page) => commandsOf(readFileSync(join(root, page), 'utf8')));
}

/**
 * Runs what the pages about deployment say, `make deploy` as a dry run, and `helm install` as `helm template`.
 * @throws Error with what was said
 */
export function runDocumented(
  tool: 'make' | 'helm',
  { root, helm = '' }: { readonly root: string; readonly helm?: string },
): void {
  const commands = documented(root);
  const own = commands.filter((command) => command.startsWith(tool === 'make' ? 'make deploy ' : 'helm install '));
  assert.ok(own.length >= 2);
  for (const command of own) {
    const [, , ...words] = command.split(/\s+/);
    const options = { cwd: root, stdio: 'pipe', maxBuffer: 1e7 } as const;
    const out =
      tool === 'make'
        ? execFileSync('make', ['--silent', 'deploy', ...words, 'DRY_RUN=yes'], options)
        : execFileSync(helm, ['template', ...words, '--kube-version', '1.30'], options);
    assert.match(out.toString(), /^kind: (Deployment|StatefulSet)$/m, command);
  }
}

/**
 * Makes the secrets that the pages about deployment name, as a dry run.
 * @throws Error with what was said
 */
export function makeDocumentedSecrets(root: string, scratch: string): void {
  const { cert, key } = certificates().server;
  const files = { 'cache.crt': cert, 'cache.key': key, htpasswd: 'ci:$2y$10$…\n' };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(scratch, name), text);
  const own = documented(root).filter((command) => command.startsWith('kubectl create secret '));
  assert.ok(own.length >= 2);
  for (const command of own) {
    const options = { cwd: scratch, env: { ...process.env, TOKEN: 'secret' }, stdio: 'pipe' } as const;
    const out = execFileSync('sh', ['-euc', `${command} --dry-run=client --output yaml`], options);
    assert.match(out.toString(), /^kind: Secret$/m, command);
  }
}
