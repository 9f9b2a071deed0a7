import { isIP } from 'node:net';

/**
 * Parses an address, or a network of them: `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`.
 * @throws Error that says what was expected
 */
export function parseNetwork(text: string): string {
  const [address = '', prefix, ...rest] = text.split('/');
  const bits = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : undefined;
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (bits ?? 0));
  if (bits !== undefined && isPrefix && rest.length === 0) return text;
  throw new Error('expected an address or a network, such as 10.1.2.3 or 10.0.0.0/8');
}

/**
 * Parses a port.
 * @throws Error that says what was expected
 */
export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port > 0 && port <= 65_535) return port;
  throw new Error('expected a port, from 1 to 65535');
}
