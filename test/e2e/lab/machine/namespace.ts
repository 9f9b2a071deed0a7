import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { entrepotTlsName } from '../servers/entrepot.ts';
import { run } from './processes.ts';

/** The addresses of the made-up registries: each server has one of its own, so that all can listen on port 443. */
export const addresses = {
  hub: '127.0.0.11',
  tokens: '127.0.0.12',
  cdn: '127.0.0.13',
  ghcr: '127.0.0.14',
  quay: '127.0.0.15',
} as const;

/** The names that the made-up registries answer to, by address. */
export const hostNames: Readonly<Record<string, readonly string[]>> = {
  [addresses.hub]: ['registry-1.docker.io', 'index.docker.io', 'docker.io'],
  [addresses.tokens]: ['auth.docker.io', 'auth.ghcr.io', 'auth.quay.io'],
  [addresses.cdn]: ['production.cloudflare.docker.com'],
  [addresses.ghcr]: ['ghcr.io'],
  [addresses.quay]: ['quay.io'],
};

/** What `unshare` is called with: everything that is started inside ends, and every mount goes, with the first process. */
export const unshareFlags = [
  '--net',
  '--mount',
  '--propagation=private',
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
];

/**
 * Makes the inside of fresh namespaces a small closed world: loopback and nothing else, private host names, and
 * private places for whatever the daemons write outside their own folders.
 */
export async function furnishNamespace(scratch: string): Promise<void> {
  await run('ip', ['link', 'set', 'lo', 'up']);
  await coverEtc(scratch);
  await rm('/etc/resolv.conf', { force: true });
  await writeFile('/etc/resolv.conf', '');
  const lines = Object.entries(hostNames).map(([address, names]) => `${address} ${names.join(' ')}\n`);
  await writeFile(
    '/etc/hosts',
    `127.0.0.1 localhost\n::1 localhost ${entrepotTlsName.split(':')[0]}\n${lines.join('')}`,
  );
  await run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
  await run('mount', ['-t', 'tmpfs', 'tmpfs', '/dev/shm']);
  await coverContainersFolder(scratch);
}

/** Lets every program inside trust one certificate authority and no other. */
export async function trustOnly(authority: Buffer): Promise<void> {
  await writeFile('/etc/ssl/certs/ca-certificates.crt', authority);
}

// An overlay, so that what is written there (dockerd makes a key in /etc/docker) is gone afterwards. Its upper folder
// is in memory, because an overlay cannot be the upper folder of another, and that is what a container's root is.
async function coverEtc(scratch: string): Promise<void> {
  const memory = join(scratch, 'etc');
  await mkdir(memory);
  await run('mount', ['-t', 'tmpfs', 'tmpfs', memory]);
  const [upper, work] = [join(memory, 'upper'), join(memory, 'work')];
  await Promise.all([mkdir(upper), mkdir(work)]);
  await run('mount', ['-t', 'overlay', '-o', `lowerdir=/etc,upperdir=${upper},workdir=${work}`, 'overlay', '/etc']);
}

/**
 * Gives those who write to `/etc`, as users do, one of their own, a copy in this folder; the function puts the one before
 * back. What one group of tests sets up there would lead the clients of the next.
 */
export async function ownEtc(folder: string): Promise<() => Promise<void>> {
  const copy = join(folder, 'etc');
  await run('cp', ['--archive', '/etc', copy]);
  await run('mount', ['--bind', copy, '/etc']);
  return async () => {
    await run('umount', ['--lazy', '/etc']);
  };
}

// skopeo remembers here, whatever it is told, where it has seen which blob.
async function coverContainersFolder(scratch: string): Promise<void> {
  const folder = join(scratch, 'containers');
  await mkdir(folder);
  await mkdir('/var/lib/containers', { recursive: true });
  await run('mount', ['--bind', folder, '/var/lib/containers']);
}
