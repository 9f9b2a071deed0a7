import { maxUstarNameBytes, maxUstarSizeBytes } from './header.ts';

/** What a pax header says of the entry after it, as far as it matters here. */
export interface PaxRecords {
  readonly path?: string;
  readonly sizeBytes?: number;
  /** Whether its content is not all there: what is left out is zeros. */
  readonly isSparse?: true;
}

/**
 * Reads the records of a pax header: `<length> <key>=<value>\n`.
 * @throws Error that says what is wrong with them
 */
export function readPax(bytes: Buffer): PaxRecords {
  let records: PaxRecords = {};
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(0x20, at);
    const digits = blank < 0 ? '' : bytes.toString('latin1', at, blank);
    const length = /^[1-9]\d{0,8}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (end <= blank + 1 || end > bytes.length || bytes[end - 1] !== 0x0a) throw new Error('a pax header is broken');
    const record = bytes.toString('utf8', blank + 1, end - 1);
    const equals = record.indexOf('=');
    if (equals < 1) throw new Error('a pax header is broken');
    records = { ...records, ...recordOf(record.slice(0, equals), record.slice(equals + 1)) };
    at = end;
  }
  return records;
}

function recordOf(key: string, value: string): PaxRecords {
  if (key === 'path') return { path: value };
  if (key.startsWith('GNU.sparse.')) return { isSparse: true };
  if (key !== 'size') return {};
  const sizeBytes = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(sizeBytes)) throw new Error('a pax header has a size that is none');
  return { sizeBytes };
}

/** The records that an entry needs beside its header; empty when it needs none. */
export function writePax(name: string, sizeBytes: number): Buffer {
  const records: string[] = [];
  if (Buffer.byteLength(name) > maxUstarNameBytes) records.push(record('path', name));
  if (sizeBytes > maxUstarSizeBytes) records.push(record('size', `${sizeBytes}`));
  return Buffer.from(records.join(''));
}

/** The length counts itself. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const restBytes = Buffer.byteLength(rest);
  let length = restBytes + 1;
  while (`${length}`.length + restBytes !== length) length = `${length}`.length + restBytes;
  return `${length}${rest}`;
}
