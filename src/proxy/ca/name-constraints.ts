import { isIP } from 'node:net';
import { decodeElements, type Element, encodeElement } from './der.ts';

// RFC 5280, 4.2.1.10: what an authority may sign for.

/** The extension's number. */
export const nameConstraintsOid = '2.5.29.30';

const sequence = 0x30;
const permitted = 0xa0;
const excluded = 0xa1;
const dnsName = 0x82;
const ipAddress = 0x87;

/** What an authority may sign for, of hosts. */
export interface NameConstraints {
  /** Domains, each with all that are below it; undefined when names are not limited. */
  readonly domains: readonly string[] | undefined;
  readonly excludedDomains: readonly string[];
  /** Single addresses, in the form that `addressBytes` gives, as hex. */
  readonly addresses: readonly string[] | undefined;
}

/**
 * The extension's value for an authority that signs for these hosts alone. Where a kind of name is not among them it is
 * excluded as a whole: constraints of one kind say nothing of another.
 */
export function encodeNameConstraints(hosts: readonly string[]): Buffer {
  const domains = hosts.filter((host) => isIP(host) === 0);
  const addresses = hosts.filter((host) => isIP(host) !== 0).map(addressBytes);
  const subtree = (tag: number, value: Uint8Array) => encodeElement(sequence, encodeElement(tag, value));
  const allowed = [
    ...domains.map((domain) => subtree(dnsName, Buffer.from(domain))),
    ...addresses.map((address) => subtree(ipAddress, Buffer.concat([address, Buffer.alloc(address.length, 0xff)]))),
  ];
  const forbidden = [
    ...(domains.length > 0 ? [] : [subtree(dnsName, Buffer.alloc(0))]),
    // An address and a mask of zeros stand for every address of that length.
    ...(addresses.some(({ length }) => length === 4) ? [] : [subtree(ipAddress, Buffer.alloc(8))]),
    ...(addresses.some(({ length }) => length === 16) ? [] : [subtree(ipAddress, Buffer.alloc(32))]),
  ];
  return encodeElement(
    sequence,
    ...(allowed.length === 0 ? [] : [encodeElement(permitted, ...allowed)]),
    ...(forbidden.length === 0 ? [] : [encodeElement(excluded, ...forbidden)]),
  );
}

/** Reads the extension's value. Ranges of addresses that are more than one address count as none. */
export function decodeNameConstraints(value: Buffer): NameConstraints {
  const [outer] = decodeElements(value);
  const trees = decodeElements(outer?.content ?? Buffer.alloc(0));
  const bases = (tag: number): Element[] =>
    trees
      .filter((tree) => tree.tag === tag)
      .flatMap(({ content }) => decodeElements(content))
      .flatMap(({ content }) => decodeElements(content).slice(0, 1));
  const names = (tag: number) =>
    bases(tag).flatMap((base) => (base.tag === dnsName ? [base.content.toString('latin1').toLowerCase()] : []));
  const addresses = bases(permitted).flatMap(({ tag, content }) => (tag === ipAddress ? [singleAddress(content)] : []));
  const limitsAddresses = [...bases(permitted), ...bases(excluded)].some(({ tag }) => tag === ipAddress);
  const domains = names(permitted);
  return {
    domains: domains.length > 0 ? domains : undefined,
    excludedDomains: names(excluded),
    addresses: limitsAddresses ? addresses.filter((address) => address !== undefined) : undefined,
  };
}

/** Whether these constraints leave a host to be signed for. */
export function permits({ domains, excludedDomains, addresses }: NameConstraints, host: string): boolean {
  if (isIP(host) !== 0) return addresses === undefined || addresses.includes(addressBytes(host).toString('hex'));
  const name = host.toLowerCase();
  const isWithin = (domain: string) =>
    domain === '' ||
    name === domain.replace(/^\./, '') ||
    name.endsWith(domain.startsWith('.') ? domain : `.${domain}`);
  return !excludedDomains.some(isWithin) && (domains === undefined || domains.some(isWithin));
}

/** What may be signed for, for people to read: hosts, and where a kind of them is not limited, that. */
export function describeConstraints({ domains, excludedDomains, addresses }: NameConstraints): string[] {
  const isNone = excludedDomains.includes('');
  const names = domains ?? (isNone ? [] : ['every name']);
  const others = isNone ? [] : excludedDomains.map((domain) => `not ${domain}`);
  return [...names, ...others, ...(addresses?.map(writeAddress) ?? ['every address'])];
}

function writeAddress(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: bytes.length / 2 }, (_, at) => bytes.readUInt16BE(2 * at).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1); // in its shortest form
}

function singleAddress(content: Buffer): string | undefined {
  const half = content.length / 2;
  return content.subarray(half).every((byte) => byte === 0xff) ? content.subarray(0, half).toString('hex') : undefined;
}

/** The 4 or 16 bytes of an address. */
export function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').flatMap(groupBytes));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  return Buffer.from([...before, ...Array<number>(16 - before.length - after.length).fill(0), ...after]);
}

// The last group of an IPv6 address may be an IPv4 address, of four bytes.
function groupBytes(group: string): number[] {
  if (group.includes('.')) return group.split('.').map(Number);
  const value = Number.parseInt(group, 16);
  return [value >> 8, value & 0xff];
}
