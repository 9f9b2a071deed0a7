import { isIP } from 'node:net';
import { getDomain } from 'tldts';
import { RegistryError } from '../../oci/errors.ts';
import { hostOf } from '../transport/proxy-env.ts';

/**
 * Checks that a registry may have its tokens made by this realm: whoever answers for the registry could otherwise send
 * our credentials anywhere, or have us ask any machine that we reach. The realm is on the registry's own host, within
 * the same registrable domain, or named in the configuration; and it is not less safe than the registry.
 * @param tokenHosts hosts that the configuration names for this upstream
 * @throws RegistryError UNAVAILABLE
 */
export function checkRealm(realm: string, registry: URL, tokenHosts: readonly string[]): URL {
  const url = URL.parse(realm);
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw refuse(registry, 'its realm is not an HTTP URL');
  }
  if (url.protocol === 'http:' && registry.protocol === 'https:') throw refuse(registry, 'its realm is not HTTPS');
  if (url.username !== '' || url.password !== '') throw refuse(registry, 'its realm has credentials in it');
  if (!isAllowedHost(hostOf(url), hostOf(registry), tokenHosts)) {
    throw refuse(registry, `its realm is on "${url.hostname}"; if that is right, name it in the upstream's tokenHosts`);
  }
  return url;
}

function isAllowedHost(host: string, registryHost: string, tokenHosts: readonly string[]): boolean {
  if (host === registryHost || tokenHosts.includes(host)) return true;
  if (isIP(host) !== 0 || isIP(registryHost) !== 0) return false;
  // Private suffixes count as suffixes, so that one tenant of a cloud is not the neighbour of another.
  const domain = getDomain(host, { allowPrivateDomains: true });
  return domain !== null && domain === getDomain(registryHost, { allowPrivateDomains: true });
}

function refuse(registry: URL, why: string): RegistryError {
  return new RegistryError('UNAVAILABLE', `Cannot ask for a token for ${registry.host}: ${why}`);
}
