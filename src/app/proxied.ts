import type { Config, UpstreamConfig } from '../config/config.ts';
import type { Authorities } from '../proxy/ca/authorities.ts';
import { RegistryHosts } from '../proxy/registry-hosts.ts';
import type { AdminPage } from '../server/admin.ts';
import type { RoutedRegistry } from '../server/routing.ts';
import type { Basics } from './app-options.ts';
import { openAuthorities } from './proxy-authority.ts';

/** What is served by the proxy door, and what it is signed by. */
export interface Proxied {
  /** Which registry a client means, by the host that it names. */
  readonly hosts: RegistryHosts<RoutedRegistry>;
  readonly authorities: Authorities;
}

/** Opens what the proxy door needs; undefined when there is none. */
export async function openProxied(
  config: Config,
  registries: readonly RoutedRegistry[],
  tools: Pick<Basics, 'clock' | 'log'>,
): Promise<Proxied | undefined> {
  if (config.doors.proxy.listen === undefined) return undefined;
  const hosts = registryHosts(config.upstreams, registries);
  return { hosts, authorities: await openAuthorities(config, hosts.hosts, tools) };
}

/** The hosts that upstreams are known by, each with what answers for it. */
export function registryHosts<Registry extends { readonly name: string }>(
  upstreams: readonly UpstreamConfig[],
  registries: readonly Registry[],
): RegistryHosts<Registry> {
  return new RegistryHosts(
    registries.flatMap((registry) => {
      const upstream = upstreams.find(({ name }) => name === registry.name);
      return upstream ? [{ registry, names: [upstream.name, ...upstream.names], urls: upstream.urls }] : [];
    }),
  );
}

/** What can be read at every door about trusting the proxy. */
export function proxyPage(proxied: Proxied | undefined): (path: string) => AdminPage | undefined {
  return (path) => {
    if (path !== '/ca.crt' || proxied === undefined) return undefined;
    return { type: 'application/x-pem-file', body: proxied.authorities.bundle };
  };
}
