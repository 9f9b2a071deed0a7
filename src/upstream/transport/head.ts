import { TransportError } from './errors.ts';

/** The header fields of a message: names in lower case, values of repeated names joined by ", ". */
export type Headers = ReadonlyMap<string, string>;

/** The status and the header fields of an answer. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Headers;
  /** Whether the server speaks HTTP/1.1, and so keeps connections unless it says otherwise. */
  readonly persistent: boolean;
}

/** Google's registries send up to 128 kB of header fields; four times that is no registry's. */
export const maxHeadBytes = 512 * 1024;

const statusLine = /^HTTP\/1\.([01]) (\d{3})(?: [^\r\n]*)?$/;
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const forbiddenInValue = /[\0\r\n]/; // RFC 9110, 5.5

/** Where a head ends within bytes: the index after its blank line; -1 when it has not ended. */
export function endOfHead(bytes: Buffer, from: number): number {
  // A search may begin three bytes early, as the blank line can be split between two reads.
  const end = bytes.indexOf('\r\n\r\n', Math.max(0, from - 3), 'latin1');
  return end < 0 ? -1 : end + 4;
}

/**
 * Parses the head of an answer (RFC 9112), up to and including its blank line.
 * @throws TransportError PROTOCOL
 */
export function parseHead(bytes: Buffer): ResponseHead {
  const lines = bytes.toString('latin1', 0, bytes.length - 4).split('\r\n');
  const status = statusLine.exec(lines[0]!);
  if (!status)
    throw new TransportError('PROTOCOL', 'Cannot read the answer: it does not begin with an HTTP/1 status line');
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    // A line that begins with a blank would continue the one before (obsolete); it fails here, having no name.
    if (colon < 1 || !fieldName.test(name))
      throw new TransportError('PROTOCOL', 'Cannot read the answer: malformed header field');
    const value = line.slice(colon + 1).trim();
    if (forbiddenInValue.test(value))
      throw new TransportError('PROTOCOL', `Cannot read the answer: malformed value of "${name}"`);
    const key = name.toLowerCase();
    const before = headers.get(key);
    headers.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  const version1 = status[1] === '1';
  const connection = headers.get('connection')?.toLowerCase() ?? '';
  return { status: Number(status[2]), headers, persistent: version1 && !/\bclose\b/.test(connection) };
}

/**
 * Renders the head of a request without a body.
 * @throws TransportError PROTOCOL when a part would break the line it stands in
 */
export function renderHead(method: string, target: string, headers: Iterable<readonly [string, string]>): string {
  if (/[^\x21-\x7e]/.test(target))
    throw new TransportError('PROTOCOL', 'Cannot send the request: the target has blanks');
  let text = `${method} ${target} HTTP/1.1\r\n`;
  for (const [name, value] of headers) {
    if (forbiddenInValue.test(value))
      throw new TransportError('PROTOCOL', `Cannot send the request: malformed value of "${name}"`);
    text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}
