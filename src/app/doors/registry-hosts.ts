import type { UpstreamConfig } from '../../config/config.ts';
import { RegistryHosts } from '../../proxy/registry-hosts.ts';

/** The hosts that upstreams are known by, each with what answers for it; those of mirrors are not the registry's. */
export function registryHosts<Registry extends { readonly name: string }>(
  upstreams: readonly Pick<UpstreamConfig, 'name' | 'names' | 'ownUrls'>[],
  registries: readonly Registry[],
): RegistryHosts<Registry> {
  return new RegistryHosts(
    registries.flatMap((registry) => {
      const upstream = upstreams.find(({ name }) => name === registry.name);
      return upstream ? [{ registry, names: [upstream.name, ...upstream.names], urls: upstream.ownUrls }] : [];
    }),
  );
}
