import { BlockList, isIP } from 'node:net';

// IANA's special-purpose registries: what is not the public internet. 169.254.169.254, where clouds tell machines their
// secrets, is link-local, and so is fe80::/10; fd00:ec2::254 is unique-local.
const special: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['::', 96], // unspecified, loopback, and the old form of IPv4 addresses
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];

// Forms of IPv6 addresses that hold an IPv4 address, with the group that it begins at: they lead where that leads.
const embedded: readonly (readonly [network: string, prefix: number, group: number])[] = [
  ['::ffff:0:0', 96, 6],
  ['64:ff9b::', 96, 6],
  ['2002::', 16, 1],
];

const blocked = new BlockList();
for (const [network, prefix] of special) blocked.addSubnet(network, prefix, familyOf(network));

/** Which addresses may be reached though they are none of the public internet: single ones, or networks. */
export class ReachableAddresses {
  readonly #allowed = new BlockList();

  /** @param allowed `10.1.2.3`, `10.0.0.0/8`, `fd00::/8` */
  constructor(allowed: readonly string[]) {
    for (const entry of allowed) {
      const [network = '', prefix] = entry.split('/');
      const family = familyOf(network);
      if (prefix === undefined) this.#allowed.addAddress(network, family);
      else this.#allowed.addSubnet(network, Number(prefix), family);
    }
  }

  /** Whether a client may be connected with this address. */
  has(address: string): boolean {
    const plain = address.replace(/%.*$/, '');
    if (isIP(plain) === 0) return false;
    const inner = embeddedAddress(plain);
    if (inner !== undefined) return this.has(inner);
    const family = familyOf(plain);
    return this.#allowed.check(plain, family) || !blocked.check(plain, family);
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}

function embeddedAddress(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined;
  const found = embedded.find(([network, prefix]) => {
    const list = new BlockList();
    list.addSubnet(network, prefix, 'ipv6');
    return list.check(address, 'ipv6');
  });
  if (found === undefined) return undefined;
  const groups = groupsOf(address);
  const [high = 0, low = 0] = groups.slice(found[2], found[2] + 2);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const before = numbers(head);
  const after = tail === undefined ? [] : numbers(tail);
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function numbers(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
