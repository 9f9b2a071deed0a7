import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PullerName } from '../../../../src/measure/pullers/puller-names.ts';
import { run } from '../machine/processes.ts';
import { directRoute } from '../machine/route.ts';
import { containerdSocket, withContainerd } from './containerd.ts';
import { dockerHost, withDockerd } from './dockerd.ts';

/** A client that is there, and has nothing. */
export interface MeasuredClient {
  /** What the environment of whoever uses it says. */
  readonly env: Readonly<Record<string, string>>;
  /** The images that it has now, in whatever words. */
  images(): Promise<string>;
}

/** Runs a client with an empty store in a folder for as long as something needs it. */
export type WithClient = (folder: string, use: (client: MeasuredClient) => Promise<void>) => Promise<void>;

/** The clients that pulls can be measured with. */
export const measuredClients: Readonly<Record<Exclude<PullerName, 'built-in'>, WithClient>> = {
  docker: (folder, use) =>
    withDockerd(folder, directRoute, (docker) =>
      use({ env: { DOCKER_HOST: dockerHost }, images: () => docker('image', 'ls', '--quiet') }),
    ),
  containerd: (folder, use) =>
    withContainerd(folder, {}, (ctr) =>
      use({
        // Overlay cannot be stacked on the overlay that a container's own root is.
        env: { CONTAINERD_ADDRESS: containerdSocket, CONTAINERD_SNAPSHOTTER: 'native' },
        images: () => ctr('namespaces', 'list', '--quiet'),
      }),
    ),
  async podman(folder, use) {
    const env = await writePodmanFiles(folder);
    await use({ env, images: () => run('podman', ['image', 'ls', '--quiet'], env) });
  },
};

async function writePodmanFiles(folder: string): Promise<Record<string, string>> {
  const [storage, containers, registries] = ['storage.conf', 'containers.conf', 'registries.conf'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  const [root, runRoot] = [JSON.stringify(join(folder, 'root')), JSON.stringify(join(folder, 'runroot'))];
  await writeFile(storage, `[storage]\ndriver = "vfs"\ngraphroot = ${root}\nrunroot = ${runRoot}\n`);
  await writeFile(containers, '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n');
  await writeFile(registries, '');
  return {
    CONTAINERS_STORAGE_CONF: storage,
    CONTAINERS_CONF: containers,
    CONTAINERS_REGISTRIES_CONF: registries,
  };
}
