import type { Digest } from '../../../../src/oci/digest.ts';
import { run } from '../machine/processes.ts';
import { environmentOf, type Route } from '../machine/route.ts';
import type { Client } from './pull-tests.ts';
import { writeRegistriesConf } from './registries-conf.ts';
import { storageFlags } from './storage-flags.ts';

interface Inspection {
  readonly Id: string;
  readonly Digest: Digest;
  readonly RepoDigests: readonly string[];
  readonly RootFS: { readonly Layers: Digest[] };
}

/** What podman is called with so that all it keeps is in a folder. */
export function podmanFlags(folder: string): string[] {
  return [...storageFlags(folder), '--cgroup-manager', 'cgroupfs', '--events-backend', 'none'];
}

/** podman, with a mirror for each registry, or a proxy. */
export function podmanThrough(route: Route): Client {
  return {
    name: 'podman',
    async pull(reference, folder) {
      const flags = podmanFlags(folder);
      const env = {
        CONTAINERS_REGISTRIES_CONF: await writeRegistriesConf(folder, route),
        ...environmentOf(route),
      };
      await run('podman', [...flags, 'pull', '--quiet', reference], env);
      const [image]: Inspection[] = JSON.parse(await run('podman', [...flags, 'image', 'inspect', reference], env));
      const { Digest: digest, Id, RepoDigests, RootFS } = image!;
      // An image that came by an index has two digests: the index's and its own.
      const digests = RepoDigests.map((name) => name.split('@')[1] as Digest);
      const own = digests.find((one) => one !== digest) ?? digest;
      return { digest, manifests: [{ digest: own, config: `sha256:${Id}` as Digest, diffIds: RootFS.Layers }] };
    },
  };
}
