import type { Config } from '../../config/config.ts';
import type { Authorities } from '../../proxy/ca/authorities.ts';
import type { RegistryHosts } from '../../proxy/registry-hosts.ts';
import type { RoutedRegistry } from '../../server/routing/routing.ts';
import type { Basics } from '../app-options.ts';
import type { Lifetime } from '../lifetime.ts';
import { openAuthorities } from './proxy-authority.ts';
import { registryHosts } from './registry-hosts.ts';

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
  lifetime: Lifetime,
): Promise<Proxied | undefined> {
  if (config.doors.proxy.listen === undefined) return undefined;
  const hosts = registryHosts(config.upstreams, registries);
  return { hosts, authorities: await openAuthorities(config, tools, lifetime) };
}
