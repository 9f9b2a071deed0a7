import { builtinUpstreams } from './builtin-upstreams.ts';

/**
 * Those of an upstream's URLs that are the registry's own, and no mirrors that somebody put before it or in its place:
 * what clients send for the registry is for these alone. Its own are those on a host that is one of its names, or below
 * one; and the only URL of a registry that is not built in, as nobody else says where that is.
 */
export function ownUrls(name: string, names: readonly string[], urls: readonly URL[]): readonly URL[] {
  if (urls.length === 1 && !Object.hasOwn(builtinUpstreams, name)) return urls;
  const hosts = [name, ...names].map((each) => each.replace(/:\d+$/, ''));
  return urls.filter(({ hostname }) => hosts.some((host) => hostname === host || hostname.endsWith(`.${host}`)));
}
