import { isIPv4 } from 'node:net';
import { SetupError } from '../target.ts';

// What else could be in a URL is left out: it would be the client's own doing, but it ends up in scripts and files.
const hostPattern = /^([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:\d{1,5})?$/i;

/** The host and port of a `Host` header, when there is nothing else in it. */
export function parseHostHeader(
  host: string | undefined,
): { readonly name: string; readonly port: string } | undefined {
  const [, name, port = ''] = hostPattern.exec(host ?? '') ?? [];
  return name === undefined ? undefined : { name: name.toLowerCase(), port };
}

/**
 * The address of the registry door as a person gives it, with or without `http://` or `https://`.
 * @throws SetupError BAD_ADDRESS
 */
export function parseAddress(text: string, scheme: 'http' | 'https'): string {
  const [, given = `${scheme}://`, rest = ''] = /^(https?:\/\/)?(.*?)\/?$/i.exec(text) ?? [];
  const host = parseHostHeader(rest);
  if (host === undefined || Number(host.port.slice(1)) > 65_535) {
    throw new SetupError(
      'BAD_ADDRESS',
      `Cannot use the address "${text.replace(/[^/]*@/, '…@')}": expected a host and a port, such as 10.0.0.5:5000 or https://cache.example.com`,
    );
  }
  return `${given.toLowerCase()}${host.name}${host.port}`;
}

/** Where another door is, by the host of an address. */
export function otherDoor(address: string, listen: { readonly port: number }, isTls: boolean): string {
  return `${isTls ? 'https' : 'http'}://${hostOf(address)}:${listen.port}`;
}

/** The host and port of an address. */
export function hostAndPort(address: string): string {
  return address.replace(/^https?:\/\//, '');
}

/** The host of an address; an IPv6 address in brackets. */
export function hostOf(address: string): string {
  return hostAndPort(address).replace(/:\d+$/, '');
}

/** Whether an address, or what a door listens on, is of loopback: what no other machine reaches. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'));
}
