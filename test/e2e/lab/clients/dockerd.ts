import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../../../src/oci/digest.ts';
import { docker as dockerTarget } from '../../../../src/setup/targets/docker.ts';
import { run, startDaemon } from '../machine/processes.ts';
import { environmentOf, type Login, mirrorOf, type Route } from '../machine/route.ts';
import { generatedFile } from './generated.ts';
import type { Client } from './pull-tests.ts';

interface Inspection {
  readonly Id: Digest;
  readonly RepoDigests: readonly string[];
  readonly RootFS: { readonly Layers: Digest[] };
}

/**
 * Where the daemon listens, as `DOCKER_HOST` has it. In /run, which is private here: the path of a socket may have 100
 * characters or so, and the scratch folder's may not.
 */
export const dockerHost = 'unix:///run/end-to-end-docker.sock';

/** dockerd, with a mirror for docker.io, or a proxy. */
export function dockerdThrough(route: Route, login?: Login): Client {
  return {
    name: 'dockerd',
    looksUpFirst: true,
    pull: (reference, folder) =>
      withDockerd(folder, route, async (docker) => {
        await docker('--config', await writeLogin(folder, login), 'pull', '--quiet', reference);
        const [image]: Inspection[] = JSON.parse(await docker('image', 'inspect', reference));
        const { Id, RepoDigests, RootFS } = image!;
        const [, digest = ''] = RepoDigests[0]?.split('@') ?? [];
        return { digest, manifests: [{ config: Id, diffIds: RootFS.Layers }] };
      }),
  };
}

/** Writes what `docker login` leaves behind: docker.io goes by the name that it had first. */
async function writeLogin(folder: string, login: Login | undefined): Promise<string> {
  const home = join(folder, 'docker-home');
  await mkdir(home);
  const auth = login && Buffer.from(`${login.name}:${login.password}`).toString('base64');
  const auths = auth === undefined ? {} : { 'https://index.docker.io/v1/': { auth } };
  await writeFile(join(home, 'config.json'), JSON.stringify({ auths }));
  return home;
}

/** Runs a dockerd with an empty store in a folder for as long as something needs it. */
export async function withDockerd<Result>(
  folder: string,
  route: Route,
  use: (docker: (...args: string[]) => Promise<string>) => Promise<Result>,
): Promise<Result> {
  const configuration = join(folder, 'daemon.json');
  const mirror = mirrorOf(route);
  const generated = mirror && (await generatedFile(dockerTarget, mirror, '/etc/docker/daemon.json'));
  await writeFile(configuration, generated ?? '{}');
  const docker = (...args: string[]) => run('docker', ['--host', dockerHost, ...args]);
  const output = { log: join(folder, 'dockerd.log') };
  const daemon = startDaemon('dockerd', daemonFlags(folder, configuration), output, environmentOf(route));
  try {
    await daemon.ready(async () => (await docker('version')) !== '');
    return await use(docker);
  } finally {
    await daemon.stop();
  }
}

function daemonFlags(folder: string, configuration: string): string[] {
  return [
    ...['--config-file', configuration, '--host', dockerHost, '--pidfile', join(folder, 'docker.pid')],
    ...['--data-root', join(folder, 'data'), '--exec-root', '/run/end-to-end-docker'],
    // No container is ever started: no network is made for one, and no storage driver that needs a certain file system.
    ...['--bridge=none', '--iptables=false', '--ip6tables=false', '--storage-driver=vfs'],
    '--exec-opt=native.cgroupdriver=cgroupfs',
  ];
}
