import { createHash } from 'node:crypto';
import type { Digest } from '../../../src/oci/digest.ts';
import { seededSlice } from './images.ts';

/** Bytes that can be read from anywhere, in memory or made on the fly. */
export interface ByteSource {
  readonly sizeBytes: number;
  /** The bytes from `start` up to `end`, which is within the size. */
  read(start: number, end: number): Buffer;
}

/** Bytes that are held in memory. */
export function memorySource(bytes: Buffer): ByteSource {
  return { sizeBytes: bytes.length, read: (start, end) => bytes.subarray(start, end) };
}

/** Seeded bytes that are made when they are read: of any size at no memory. */
export function generatedSource(seed: string, sizeBytes: number): ByteSource {
  return { sizeBytes, read: (start, end) => seededSlice(seed, start, end) };
}

/** One part of a source. */
export function sliceOf(source: ByteSource, from: number, to: number): ByteSource {
  return { sizeBytes: to - from, read: (start, end) => source.read(from + start, from + end) };
}

/** A source with all bits of one byte turned over; a position below zero counts from the end. */
export function withWrongByte(source: ByteSource, position: number): ByteSource {
  const at = position < 0 ? source.sizeBytes + position : position;
  if (at < 0 || at >= source.sizeBytes) throw new RangeError(`Cannot spoil byte ${position} of ${source.sizeBytes}`);
  return {
    sizeBytes: source.sizeBytes,
    read(start, end) {
      const bytes = source.read(start, end);
      if (at < start || at >= end) return bytes;
      const spoiled = Buffer.from(bytes);
      spoiled[at - start] = spoiled[at - start]! ^ 0xff;
      return spoiled;
    },
  };
}

/** A source that is made longer by filler. */
export function paddedTo(source: ByteSource, sizeBytes: number): ByteSource {
  return {
    sizeBytes: Math.max(sizeBytes, source.sizeBytes),
    read(start, end) {
      const own = source.read(Math.min(start, source.sizeBytes), Math.min(end, source.sizeBytes));
      return Buffer.concat([own, Buffer.alloc(end - start - own.length, ' ')]);
    },
  };
}

/** The digest of a source, computed piece by piece. */
export function digestOfSource(source: ByteSource): Digest {
  const hash = createHash('sha256');
  for (let start = 0; start < source.sizeBytes; start += hashedPieceBytes) {
    hash.update(source.read(start, Math.min(start + hashedPieceBytes, source.sizeBytes)));
  }
  return `sha256:${hash.digest('hex')}` as Digest;
}

const hashedPieceBytes = 1024 * 1024; // memory for one piece at a time, whatever the size of the source
