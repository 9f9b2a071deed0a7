import type { Chunk } from '../../../oci/registry.ts';
import type { BufferPool } from './buffers.ts';

/** Reads what is there at a position, as much as the buffer takes; gives how many bytes that were. */
export type ReadAt = (into: Uint8Array, position: number) => Promise<number>;

/** Bytes that are being read, or have been, and how many use them. */
interface Piece {
  readonly buffer: Buffer;
  readonly start: number;
  /** As wanted, and once it has been read, as found. */
  end: number;
  readonly read: Promise<void>;
  users: number;
}

/**
 * Reads of one content by many. What somebody still has is given to whoever else wants it: of many that pull the same at
 * the same time, one reads, and the bytes are in the processor's cache for the others. Nothing is kept for those who
 * may come, so many need no more memory than if each read for itself, and a slow one holds up nobody.
 */
export class SharedReads {
  readonly #read: ReadAt;
  readonly #buffers: BufferPool;
  #pieces: Piece[] = [];

  constructor(read: ReadAt, buffers: BufferPool) {
    this.#read = read;
    this.#buffers = buffers;
  }

  /**
   * The bytes from a position on: one at least, `limitBytes` at most, and all of those are there.
   * @throws what reading failed with, or an Error when no byte is there
   */
  async next(position: number, limitBytes: number): Promise<Chunk> {
    const piece = this.#pieceWith(position) ?? this.#begin(position, limitBytes);
    piece.users++;
    try {
      await piece.read;
      if (position < piece.end) {
        const from = position - piece.start;
        const bytes = piece.buffer.subarray(from, Math.min(piece.end - piece.start, from + limitBytes));
        return { bytes, release: () => this.#release(piece) };
      }
      if (position === piece.start) throw new Error(`Nothing could be read from byte ${position} on`);
    } catch (error) {
      this.#release(piece);
      throw error;
    }
    this.#release(piece); // it became shorter than was wanted
    return this.next(position, limitBytes);
  }

  /** Nobody else is given what was read so far: other bytes take its place. */
  forget(): void {
    this.#pieces = [];
  }

  #pieceWith(position: number): Piece | undefined {
    return this.#pieces.find(({ start, end }) => start <= position && position < end);
  }

  #begin(start: number, limitBytes: number): Piece {
    const buffer = this.#buffers.take();
    const into = buffer.subarray(0, Math.min(limitBytes, buffer.length));
    const read = this.#read(into, start).then((count) => {
      piece.end = start + count;
    });
    const piece: Piece = { buffer, start, end: start + into.length, read, users: 0 };
    this.#pieces.push(piece);
    return piece;
  }

  #release(piece: Piece): void {
    if (--piece.users > 0) return;
    this.#pieces = this.#pieces.filter((other) => other !== piece);
    this.#buffers.give(piece.buffer);
  }
}
