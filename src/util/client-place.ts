/**
 * Whom clients are counted as by their address: of IPv6 all of a network of 64 bits, which one customer has, and of IPv4
 * the address, however it is written.
 */
export function clientPlace(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [front = '', back] = address.replace(/%.*$/, '').toLowerCase().split('::', 2);
  const groups = front.split(':').filter((group) => group !== '');
  const backCount = back === undefined ? 0 : back.split(':').filter((group) => group !== '').length;
  while (back !== undefined && groups.length < 8 - backCount) groups.push('0');
  return `${groups.slice(0, 4).join(':')}::`;
}
