import { isIPv4 } from 'node:net';
import type { ListenAddress } from '../../../config.ts';

const portPattern = /^\d{1,5}$/;
const addressPattern = /^(?:\[([0-9a-f:.]+(?:%\w+)?)\]|([^\s:[\]/]*)):(\d{1,5})$/i;

/**
 * Parses where to listen: `127.0.0.1:5000`, `[::1]:5000`, `:5000` or `*:5000` for every address of the machine, and a
 * bare port for loopback, as nothing is opened to others by a short form.
 * @throws Error that says what was expected
 */
export function parseListenAddress(text: string): ListenAddress {
  const [, bracketed, plain = '127.0.0.1', port] = portPattern.test(text)
    ? [undefined, undefined, undefined, text]
    : (addressPattern.exec(text) ?? []);
  if (port !== undefined && Number(port) <= 65_535) {
    const host = bracketed ?? plain;
    return { host: host === '*' ? '' : host, port: Number(port) };
  }
  throw new Error('expected host:port, such as 127.0.0.1:5000, [::1]:5000, or :5000 for every address');
}

/**
 * Parses where to listen, or `none` for not listening.
 * @throws Error that says what was expected
 */
export function parseListenAddressOrNone(text: string): ListenAddress | undefined {
  if (text === 'none') return undefined;
  try {
    return parseListenAddress(text);
  } catch (error) {
    throw new Error(`${(error as Error).message}; or none`);
  }
}

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
