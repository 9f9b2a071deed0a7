import { TransportError } from './errors.ts';
import type { ResponseHead } from './head.ts';

/**
 * Finds the body within the bytes of an answer. `decode` is given a buffer in which new bytes stand from `from` to
 * `to`; it moves the body's bytes among them together, beginning at `from`, and returns where they end.
 */
export interface Framing {
  decode(buffer: Buffer, from: number, to: number): number;
  /** Whether the body is whole. */
  readonly done: boolean;
  /** Whether the end of the connection is the end of the body, too. */
  readonly endsWithConnection: boolean;
  /** Whether bytes came after the body: then nothing more is to be believed of this connection. */
  readonly overrun: boolean;
  /** The length of the whole body; undefined when the answer does not say. */
  readonly lengthBytes: number | undefined;
}

/**
 * Chooses how the body of an answer is delimited (RFC 9112, 6.3).
 * @throws TransportError PROTOCOL when the header fields contradict each other
 */
export function framingOf(method: string, head: ResponseHead): Framing {
  if (method === 'HEAD' || head.status === 204 || head.status === 304) return lengthFraming(0);
  const encoding = head.headers.get('transfer-encoding')?.toLowerCase();
  if (encoding === 'chunked') return chunkedFraming();
  if (encoding !== undefined)
    throw new TransportError('PROTOCOL', `Cannot read transfer encoding "${encoding.slice(0, 80)}"`);
  const length = head.headers.get('content-length');
  if (length === undefined) return connectionFraming();
  // A repeated field that says the same twice is allowed to be read as one.
  const values = new Set(length.split(',').map((value) => value.trim()));
  const [value] = values;
  if (values.size !== 1 || !/^\d{1,15}$/.test(value!)) {
    throw new TransportError('PROTOCOL', `Cannot read content length "${length.slice(0, 80)}"`);
  }
  return lengthFraming(Number(value));
}

function lengthFraming(lengthBytes: number): Framing {
  let remaining = lengthBytes;
  let overrun = false;
  return {
    lengthBytes,
    endsWithConnection: false,
    get done() {
      return remaining === 0;
    },
    get overrun() {
      return overrun;
    },
    decode(_buffer, from, to) {
      const count = Math.min(remaining, to - from);
      remaining -= count;
      overrun ||= count < to - from;
      return from + count;
    },
  };
}

function connectionFraming(): Framing {
  return { lengthBytes: undefined, done: false, endsWithConnection: true, overrun: false, decode: (_b, _f, to) => to };
}

const maxSizeDigits = 12; // hexadecimal digits of a chunk's size: more would leave the safe integers
const maxLineBytes = 16 * 1024; // of a chunk extension or a trailer, which are passed over

const chunkEnd = { carriageReturn: 0x0d, lineFeed: 0x0a, semicolon: 0x3b, space: 0x20, tab: 0x09 } as const;

/** Chunked transfer coding (RFC 9112, 7.1), decoded byte for byte outside of the data. */
function chunkedFraming(): Framing {
  let state: 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailer' | 'done' = 'size';
  let remaining = 0; // of the current chunk's data
  let digits = 0;
  let lineBytes = 0;
  let trailerLineEmpty = true;
  let overrun = false;

  function step(byte: number): void {
    if (++lineBytes > maxLineBytes) throw malformed();
    switch (state) {
      case 'size':
        if (readSizeByte(byte)) return;
        break;
      case 'extension':
        if (byte === chunkEnd.carriageReturn) state = 'size-lf';
        return;
      case 'size-lf':
        expect(byte, chunkEnd.lineFeed);
        lineBytes = 0;
        digits = 0;
        trailerLineEmpty = true;
        state = remaining === 0 ? 'trailer' : 'data';
        return;
      case 'data-cr':
        expect(byte, chunkEnd.carriageReturn);
        state = 'data-lf';
        return;
      case 'data-lf':
        expect(byte, chunkEnd.lineFeed);
        lineBytes = 0;
        remaining = 0;
        state = 'size';
        return;
      case 'trailer':
        if (byte === chunkEnd.lineFeed) {
          if (trailerLineEmpty) state = 'done';
          trailerLineEmpty = true;
        } else if (byte !== chunkEnd.carriageReturn) trailerLineEmpty = false;
        return;
    }
    throw malformed();
  }

  function readSizeByte(byte: number): boolean {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (++digits > maxSizeDigits) return false;
      remaining = remaining * 16 + digit;
      return true;
    }
    if (digits === 0) return false;
    if (byte === chunkEnd.carriageReturn) state = 'size-lf';
    else if (byte === chunkEnd.semicolon || byte === chunkEnd.space || byte === chunkEnd.tab) state = 'extension';
    else return false;
    return true;
  }

  return {
    lengthBytes: undefined,
    endsWithConnection: false,
    get done() {
      return state === 'done';
    },
    get overrun() {
      return overrun;
    },
    decode(buffer, from, to) {
      let end = from;
      let at = from;
      while (at < to && state !== 'done') {
        if (state !== 'data') {
          step(buffer[at++]!);
          continue;
        }
        const count = Math.min(remaining, to - at);
        if (end !== at) buffer.copyWithin(end, at, at + count);
        end += count;
        at += count;
        remaining -= count;
        if (remaining === 0) state = 'data-cr';
      }
      overrun ||= at < to;
      return end;
    },
  };
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function expect(byte: number, wanted: number): void {
  if (byte !== wanted) throw malformed();
}

function malformed(): TransportError {
  return new TransportError('PROTOCOL', 'Cannot read the answer: malformed chunk');
}
