import { join } from 'node:path';
import type { Digest } from '../../src/oci/digest.ts';
import { run } from './lab/processes.ts';
import { type Client, pullsByName, testPulls } from './lab/pull-tests.ts';
import { writeRegistriesConf } from './lab/registries-conf.ts';

interface Inspection {
  readonly Id: string;
  readonly Digest: Digest;
  readonly RepoDigests: readonly string[];
  readonly RootFS: { readonly Layers: Digest[] };
}

const podman: Client = {
  name: 'podman',
  async pull(reference, folder) {
    // vfs asks nothing of the file system; overlay cannot be stacked on the overlay that a container's own root is.
    const store = ['--root', join(folder, 'root'), '--runroot', join(folder, 'runroot'), '--storage-driver', 'vfs'];
    const flags = [...store, '--cgroup-manager', 'cgroupfs', '--events-backend', 'none'];
    const env = { CONTAINERS_REGISTRIES_CONF: await writeRegistriesConf(folder) };
    await run('podman', [...flags, 'pull', '--quiet', reference], env);
    const [image]: Inspection[] = JSON.parse(await run('podman', [...flags, 'image', 'inspect', reference], env));
    const { Digest: digest, Id, RepoDigests, RootFS } = image!;
    // An image that came by an index has two digests: the index's and its own.
    const digests = RepoDigests.map((name) => name.split('@')[1] as Digest);
    const own = digests.find((one) => one !== digest) ?? digest;
    return { digest, manifests: [{ digest: own, config: `sha256:${Id}` as Digest, diffIds: RootFS.Layers }] };
  },
};

testPulls(podman, 'through a mirror for each registry', pullsByName);
