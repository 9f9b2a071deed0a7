import { isIP } from 'node:net';

/** Where a client wants to go: a host, in lower case and without brackets, and a port. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

const maxHostLength = 253; // of a name in the DNS
const labelPattern = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
// What looks like a number is an address in some notation that the resolver may know and the rules here do not.
const numberPattern = /^(?:0x[0-9a-f]*|\d+)$/;

/**
 * Parses what CONNECT names (RFC 9112, 3.2.3): host and port, and nothing else. Undefined when it is none: what is not
 * understood to the last character goes nowhere.
 */
export function parseAuthority(text: string): ProxyTarget | undefined {
  return /:\d{1,5}$/.test(text) ? parsePlace(text, 0) : undefined;
}

/** Parses a host that may have a port behind it, as `Host` and URLs do; undefined when it is none to the last character. */
export function parsePlace(text: string, defaultPort: number): ProxyTarget | undefined {
  const [, written = '', digits] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const port = digits === undefined ? defaultPort : Number(digits);
  const host = parseHost(written);
  return host === undefined || port === 0 || port > 65_535 ? undefined : { host, port };
}

/** Whether two places are the same, and both are one. */
export function isSamePlace(one: ProxyTarget | undefined, other: ProxyTarget | undefined): boolean {
  return one !== undefined && one.host === other?.host && one.port === other.port;
}

/** A host as it is compared: in lower case, without brackets or the final dot; undefined when it is none. */
export function parseHost(written: string): string | undefined {
  if (written.startsWith('[')) {
    const address = written.slice(1, -1);
    return isIP(address) === 6 ? address.toLowerCase() : undefined;
  }
  if (isIP(written) === 4) return written;
  const host = written.toLowerCase().replace(/\.$/, '');
  if (host.length === 0 || host.length > maxHostLength) return undefined;
  const labels = host.split('.');
  if (!labels.every((label) => labelPattern.test(label)) || numberPattern.test(labels.at(-1)!)) return undefined;
  return host;
}

/** Whether a request has no more than one `Host` (RFC 9112, 3.2): of two, everybody believes another. */
export function hasOneHost({ rawHeaders }: { readonly rawHeaders: readonly string[] }): boolean {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.length === 4 && rawHeaders[at]!.toLowerCase() === 'host') count++;
  }
  return count <= 1;
}

/** A target as it stands in a URL, whose scheme has this port where none is given. */
export function authorityOf({ host, port }: ProxyTarget, defaultPort: number): string {
  return `${host.includes(':') ? `[${host}]` : host}${port === defaultPort ? '' : `:${port}`}`;
}
