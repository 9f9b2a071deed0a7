import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** What a namespace with the address of the metadata server takes; undefined when it is there. */
export function whatStopsWorkerVm(): string | undefined {
  const { status } = spawnSync('unshare', ['--net', 'ip', 'address', 'show'], { stdio: 'ignore' });
  if (status !== 0) return 'unshare and ip, as root';
  return spawnSync('curl', ['--version'], { stdio: 'ignore' }).status === 0 ? undefined : 'curl';
}

/** Runs deploy/worker-vm/startup.sh against metadata servers of a network of its own. @throws Error with what failed */
export function testWorkerVm(): void {
  const setUp = 'ip link set lo up && ip address add 169.254.169.254/32 dev lo && exec "$0" "$@"';
  const args = ['--net', 'sh', '-c', setUp, process.execPath, join(import.meta.dirname, 'worker-vm-inside.ts')];
  execFileSync('unshare', args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 240_000 });
}
