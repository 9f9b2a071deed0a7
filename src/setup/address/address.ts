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

/** The registry door, as far as its address can be told without being asked. */
export interface DoorAddress {
  readonly scheme: 'http' | 'https';
  /** What is meant by a host alone; 0 when nobody can tell. */
  readonly port: number;
}

/** An address that was given, as a URL. */
export interface GivenAddress {
  readonly url: string;
  /** Whether its port was not given, but is that of the door. */
  readonly hasDoorsPort: boolean;
}

/**
 * The address of the registry door as a person gives it: a URL is taken as it stands, a host alone has the port of the door.
 * What a host alone meant to a browser, port 80, is not where a cache listens: clients would be sent to where nothing is.
 * @throws SetupError BAD_ADDRESS
 */
export function parseAddress(text: string, door: DoorAddress): GivenAddress {
  const [, given, rest = ''] = /^(https?:\/\/)?(.*?)\/?$/i.exec(text) ?? [];
  const host = parseHostHeader(rest);
  const shown = text.replace(/[^/]*@/, '…@');
  if (host === undefined || Number(host.port.slice(1)) > 65_535) {
    const expected = 'expected a host and a port, such as 10.0.0.5:5000 or https://cache.example.com';
    throw new SetupError('BAD_ADDRESS', `Cannot use the address "${shown}": ${expected}`);
  }
  const hasDoorsPort = given === undefined && host.port === '';
  if (hasDoorsPort && door.port === 0) {
    const why = 'the door’s own is any free one; give the port, or a whole URL such as https://cache.example.com';
    throw new SetupError('BAD_ADDRESS', `Cannot tell the port of "${shown}": ${why}`);
  }
  const scheme = given?.toLowerCase() ?? `${door.scheme}://`;
  return { url: `${scheme}${host.name}${hasDoorsPort ? `:${door.port}` : host.port}`, hasDoorsPort };
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
