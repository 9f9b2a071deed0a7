import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../src/oci/digest.ts';
import { entrepotAddress } from './lab/entrepot.ts';
import { run, startDaemon } from './lab/processes.ts';
import { type Client, testPulls } from './lab/pull-tests.ts';

interface Inspection {
  readonly Id: Digest;
  readonly RepoDigests: readonly string[];
  readonly RootFS: { readonly Layers: Digest[] };
}

// In /run, which is private here: the path of a socket may have 100 characters or so, and the scratch folder's may not.
const host = 'unix:///run/end-to-end-docker.sock';

const dockerd: Client = {
  name: 'dockerd',
  looksUpFirst: true,
  async pull(reference, folder) {
    const configuration = join(folder, 'daemon.json');
    await writeFile(configuration, JSON.stringify({ 'registry-mirrors': [`http://${entrepotAddress}`] }));
    const docker = (...args: string[]) => run('docker', ['--host', host, ...args]);
    const daemon = startDaemon('dockerd', daemonFlags(folder, configuration), { log: join(folder, 'dockerd.log') });
    try {
      await daemon.ready(async () => (await docker('version')) !== '');
      await docker('pull', '--quiet', reference);
      const [image]: Inspection[] = JSON.parse(await docker('image', 'inspect', reference));
      const { Id, RepoDigests, RootFS } = image!;
      const [, digest = ''] = RepoDigests[0]?.split('@') ?? [];
      return { digest, manifests: [{ config: Id, diffIds: RootFS.Layers }] };
    } finally {
      await daemon.stop();
    }
  },
};

function daemonFlags(folder: string, configuration: string): string[] {
  return [
    ...['--config-file', configuration, '--host', host, '--pidfile', join(folder, 'docker.pid')],
    ...['--data-root', join(folder, 'data'), '--exec-root', '/run/end-to-end-docker'],
    // No container is ever started: no network is made for one, and no storage driver that needs a certain file system.
    ...['--bridge=none', '--iptables=false', '--ip6tables=false', '--storage-driver=vfs'],
    '--exec-opt=native.cgroupdriver=cgroupfs',
  ];
}

// registry-mirrors are for docker.io alone.
testPulls(dockerd, 'through registry-mirrors', ({ layered, index }) => [
  { reference: 'strata:1', image: layered },
  { reference: 'lab/prism:1', image: index },
]);

testPulls(dockerd, 'by the name of Entrepot', ({ layered, index, list }) => [
  { reference: 'localhost:5000/library/strata:1', image: layered },
  { reference: 'localhost:5000/docker.io/lab/prism:1', image: index },
  { reference: `localhost:5000/${list.reference}`, image: list },
]);
