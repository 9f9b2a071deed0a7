import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

// Pinned, so that what passed yesterday passes today; Go compares them with its checksum database.
const modules = {
  kustomize: 'sigs.k8s.io/kustomize/kustomize/v5@v5.7.1',
  helm: 'helm.sh/helm/v3/cmd/helm@v3.19.5',
  actionlint: 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.7',
} as const;

/** A tool that is built when it is not there. */
export type ToolName = keyof typeof modules;

/** Finds a tool in the path or among those that were built before; builds it with Go if it may. */
export function findTool(name: ToolName, { mayBuild }: { readonly mayBuild: boolean }): string | undefined {
  if (isThere(name)) return name;
  const caches = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const folder = join(caches, 'entrepot', 'deploy-tools', modules[name].replaceAll(/[^\w.@-]/g, '-'));
  const built = join(folder, name);
  if (existsSync(built)) return built;
  if (!mayBuild || !isThere('go')) return undefined;
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(folder, 'build-'));
  try {
    console.log(`deploy: building ${modules[name]}`);
    execFileSync('go', ['install', modules[name]], { stdio: 'inherit', env: { ...process.env, GOBIN: scratch } });
    renameSync(join(scratch, name), built);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return built;
}

/** Whether a program is in the path. */
export function isThere(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$0"', program]).status === 0;
}
