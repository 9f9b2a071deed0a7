import type { Chunk } from '../../oci/registry.ts';
import type { BlobWriter } from '../../store/blob-store.ts';

/** Someone who reads a spool from front to back. */
export interface SpoolReader {
  /** Every byte before this one is of no more use to the reader. */
  readonly position: number;
  /** Ends the reader with an error. */
  fail(error: Error): void;
}

/** Bytes that could not be written to disk, kept until every reader has them. */
interface MemoryPiece {
  readonly start: number;
  readonly end: number;
  readonly chunk: Chunk;
}

interface Write {
  readonly end: number;
  settled: boolean;
}

/** How much may be on its way to the disk, or be kept because the disk failed, before the download waits. */
const maxPendingBytes = 1024 * 1024;

/**
 * The bytes of a download, from the first on, for any number of readers.
 *
 * Chunks are written to a growing file, several at a time; as writes end in any order, `readableBytes` moves over what
 * is contiguous only. When a write fails, the spool goes on in memory: what was written is still read from the file,
 * what comes after is kept until all readers have passed it, and the download waits for them. Nothing can be stored
 * then, but nobody who was reading has to stop.
 */
export class Spool {
  /** How many bytes have come. */
  receivedBytes = 0;
  /** How many of them, from the first on, can be read. */
  readableBytes = 0;
  /** Why the disk is not used any more; undefined while it is. */
  diskFailure: Error | undefined;
  readonly readers = new Set<SpoolReader>();
  readonly #create: () => Promise<BlobWriter>;
  #writer: BlobWriter | undefined;
  readonly #writes: Write[] = [];
  readonly #onDiskFailure: (error: Error) => void;
  #pieces: MemoryPiece[] = [];
  #pendingBytes = 0;
  #waiters: (() => void)[] = [];

  constructor(create: () => Promise<BlobWriter>, onDiskFailure: (error: Error) => void) {
    this.#create = create;
    this.#onDiskFailure = onDiskFailure;
  }

  /** Begins the file. Called once, before the first `append`; it never rejects, as memory serves too. */
  async open(): Promise<void> {
    try {
      this.#writer = await this.#create();
    } catch (error) {
      this.#failDisk(error as Error);
    }
  }

  /**
   * Stores what has come, as it is right and whole. Called at most once, when `settled`.
   * @throws what the disk failed with
   */
  async commit(): Promise<void> {
    if (this.diskFailure || !this.#writer) throw this.diskFailure ?? new Error('The spool was never opened');
    await this.#writer.commit();
  }

  /** Ends the file; what was not committed is removed. Called when nobody reads, and after every write has settled. */
  async close(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    for (const { chunk } of this.#pieces.splice(0)) chunk.release();
    await writer?.close();
  }

  /** Adds a chunk; it is released when it is on disk, or every reader has it, and `hashed` has settled. */
  append(chunk: Chunk, hashed: Promise<unknown>): void {
    hashed.catch(() => {}); // the hash itself says so at its end
    const start = this.receivedBytes;
    const end = start + chunk.bytes.length;
    const write: Write = { end, settled: false };
    this.receivedBytes = end;
    this.#writes.push(write);
    this.#pendingBytes += chunk.bytes.length;
    const writer = this.#writer;
    const written =
      writer && !this.diskFailure ? writer.write(chunk.bytes, start) : Promise.reject(this.diskFailure as Error);
    written.then(
      async () => {
        this.#settle(write);
        await hashed.catch(() => {});
        this.#free(chunk);
      },
      (error: Error) => {
        if (!this.diskFailure) this.#failDisk(error);
        this.#keep({ start, end, chunk: afterHash(chunk, hashed) });
        this.#settle(write);
      },
    );
  }

  /** Whether the next chunk has to wait. */
  get isFull(): boolean {
    return this.#pendingBytes >= maxPendingBytes;
  }

  /** Resolves when the next chunk may be appended. */
  async room(): Promise<void> {
    while (this.isFull) await this.changed();
  }

  /** Resolves when no write is under way any more. */
  async settled(): Promise<void> {
    while (this.#writes.length > 0) await this.changed();
  }

  /** Reads what is there at a position, as much as the buffer takes; at least one byte of what is readable. */
  async read(into: Uint8Array, position: number): Promise<number> {
    const limit = Math.min(into.length, this.readableBytes - position);
    const piece = this.#pieces.find(({ end }) => end > position);
    if (piece && piece.start <= position) {
      const bytes = piece.chunk.bytes.subarray(position - piece.start, position - piece.start + limit);
      into.set(bytes);
      return bytes.length;
    }
    const count = piece ? Math.min(limit, piece.start - position) : limit;
    return this.#writer!.read(into.subarray(0, count), position);
  }

  /** Resolves at the next change: bytes, room, readers, or what `notify` was called for. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Wakes everybody who waits for a change. */
  notify(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Frees what the readers that are left do not need; called when one has moved or left. */
  trim(): void {
    if (this.#pieces.length === 0) return;
    let neededFrom = Number.POSITIVE_INFINITY;
    for (const { position } of this.readers) neededFrom = Math.min(neededFrom, position);
    const kept = this.#pieces.filter(({ end }) => end > neededFrom);
    const freed = this.#pieces.filter(({ end }) => end <= neededFrom);
    this.#pieces = kept;
    for (const { chunk } of freed) this.#free(chunk);
  }

  /** The readers that all others wait for: they have not yet taken the oldest bytes that are in memory. */
  laggards(): SpoolReader[] {
    const oldest = this.#pieces[0];
    return oldest ? [...this.readers].filter(({ position }) => position < oldest.end) : [];
  }

  #failDisk(error: Error): void {
    this.diskFailure = error;
    this.#onDiskFailure(error);
  }

  #keep(piece: MemoryPiece): void {
    const after = this.#pieces.findIndex(({ start }) => start > piece.start);
    this.#pieces.splice(after < 0 ? this.#pieces.length : after, 0, piece);
    this.trim();
  }

  #settle(write: Write): void {
    write.settled = true;
    while (this.#writes[0]?.settled) this.readableBytes = this.#writes.shift()!.end;
    this.notify();
  }

  #free(chunk: Chunk): void {
    this.#pendingBytes -= chunk.bytes.length;
    chunk.release();
    this.notify();
  }
}

// The hash reads the bytes where they lie, so they may not be given back before it has.
function afterHash(chunk: Chunk, hashed: Promise<unknown>): Chunk {
  return { bytes: chunk.bytes, release: () => void hashed.catch(() => {}).finally(() => chunk.release()) };
}
