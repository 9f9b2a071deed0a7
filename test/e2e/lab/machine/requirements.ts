import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { unshareFlags } from './namespace.ts';

/** The groups of tests, each in the file of that name, and the programs each needs. */
export const groups: Readonly<Record<string, readonly string[]>> = {
  skopeo: ['skopeo'],
  traffic: ['skopeo'],
  podman: ['podman'],
  buildah: ['buildah'],
  containerd: ['containerd', 'ctr'],
  'containerd-setup': ['containerd', 'ctr', 'skopeo'],
  dockerd: ['dockerd', 'docker', 'containerd'],
  proxy: ['curl', 'skopeo', 'podman', 'containerd', 'ctr', 'dockerd', 'docker'],
  authority: ['curl', 'skopeo', 'certtool'],
  archive: ['skopeo', 'containerd', 'ctr', 'dockerd', 'docker'],
  push: ['skopeo', 'podman', 'buildah', 'containerd', 'ctr', 'dockerd', 'docker'],
  doctor: ['podman', 'containerd', 'ctr', 'dockerd', 'docker'],
  'cloud-init': ['cloud-init'],
  tls: ['skopeo', 'podman', 'containerd', 'ctr', 'dockerd', 'docker'],
  monitoring: ['prometheus'],
  measure: ['dockerd', 'docker', 'containerd', 'ctr', 'podman', 'iperf3'],
};

const basics = ['unshare', 'mount', 'ip', 'openssl', 'docker-registry', 'nginx', 'skopeo'];

/** Daemons are not in everybody's path. */
export const searchPath = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;

/** Why nothing can be tested here; undefined when something can. */
export function whatStopsEverything(): string | undefined {
  const missing = basics.filter((program) => !isInstalled(program));
  if (missing.length > 0) return `no ${missing.join(', no ')} on this machine`;
  if (process.getuid?.() !== 0) return 'making namespaces takes root';
  try {
    execFileSync('unshare', [...unshareFlags, 'true'], { env: { PATH: searchPath }, stdio: 'pipe' });
    return undefined;
  } catch {
    return 'this machine lets nobody make namespaces';
  }
}

/** Why a group of tests cannot run here; undefined when it can. */
export function whatStops(group: string): string | undefined {
  const missing = (groups[group] ?? []).filter((program) => !isInstalled(program));
  return missing.length > 0 ? `no ${missing.join(', no ')} on this machine` : undefined;
}

function isInstalled(program: string): boolean {
  return searchPath.split(':').some((folder) => {
    try {
      accessSync(join(folder || '.', program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
