import { BlockList, isIP } from 'node:net';

/** Says through which forward proxy a URL is fetched; undefined for directly. */
export type ProxyChoice = (url: URL) => URL | undefined;

/**
 * Reads HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in either case, as the clients that we stand in for do: loopback is never
 * asked for through a proxy, and an entry of NO_PROXY is a host (its subdomains too), a host and port, an address, a
 * network, or `*`.
 * @throws Error when a variable is not a proxy's URL; the message names the variable
 */
export function proxyFromEnvironment(env: Readonly<Record<string, string | undefined>>): ProxyChoice {
  const plain = readProxy(env, 'HTTP_PROXY');
  const secure = readProxy(env, 'HTTPS_PROXY');
  const bypass = parseNoProxy(env['no_proxy'] || env['NO_PROXY'] || '');
  return (url) => {
    const proxy = url.protocol === 'https:' ? secure : plain;
    return proxy === undefined || isLoopback(hostOf(url)) || bypass(url) ? undefined : proxy;
  };
}

function readProxy(env: Readonly<Record<string, string | undefined>>, name: string): URL | undefined {
  const text = env[name.toLowerCase()] || env[name];
  if (!text) return undefined;
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  // The value may hold a password, so the message does not repeat it.
  throw new Error(`Cannot read ${name}: expected http://[user:password@]host:port`);
}

/** The host of a URL, without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
}

/** The port of a URL, its protocol's own where it names none. */
export function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether the host is this machine, by name or address. */
export function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return host === 'localhost' || host.endsWith('.localhost');
  return loopback.check(host, version === 4 ? 'ipv4' : 'ipv6');
}

function parseNoProxy(text: string): (url: URL) => boolean {
  const networks = new BlockList();
  const hosts: { readonly host: string; readonly port: number | undefined }[] = [];
  for (const entry of text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((word) => word !== '')) {
    if (entry === '*') return () => true;
    if (addNetwork(networks, entry)) continue;
    const [, host, port] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(entry)!;
    hosts.push({ host: host!.replace(/^\*?\./, ''), port: port === undefined ? undefined : Number(port) });
  }
  return (url) => {
    const host = hostOf(url);
    const version = isIP(host);
    if (version !== 0 && networks.check(host, version === 4 ? 'ipv4' : 'ipv6')) return true;
    return hosts.some(
      (entry) =>
        (entry.port === undefined || entry.port === portOf(url)) &&
        (host === entry.host || host.endsWith(`.${entry.host}`)),
    );
  };
}

function addNetwork(networks: BlockList, entry: string): boolean {
  const [address, bits] = entry.split('/') as [string, string | undefined];
  const version = isIP(address);
  if (version === 0) return false;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (bits === undefined) networks.addAddress(address, family);
  else if (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
    networks.addSubnet(address, Number(bits), family);
  else return false;
  return true;
}
