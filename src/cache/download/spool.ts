import type { Digest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Chunk } from '../../oci/registry.ts';
import type { BlobStore, BlobWriter } from '../../store/blob-store.ts';
import { copyShared } from '../../util/copy-shared.ts';
import type { BufferPool } from '../content/reading/buffers.ts';
import { SharedReads } from '../content/reading/shared-reads.ts';

/** Someone who reads a spool from front to back. */
export interface SpoolReader {
  /** Every byte before this one is of no more use to the reader. */
  readonly position: number;
  /** Whether it has got any byte, or is about to. */
  readonly hasBytes: boolean;
  /** Ends the reader with an error. */
  fail(error: Error): void;
}

/** A chunk that is in memory still: on its way to the disk and the hash, or kept because it will never be on disk. */
interface Piece {
  readonly start: number;
  readonly end: number;
  chunk: Chunk;
  /** Whether it will never be on disk, and so goes only when every reader has passed it. */
  kept: boolean;
}

/** How much may be in memory before the download waits for the disk and the hash; a body’s own blocks are not many more. */
const maxInMemoryBytes = 3 * 1024 * 1024;

// What an earlier download left is read, and hashed, at a time; two of them are in use.
const rehashBytes = 128 * 1024;

/**
 * The bytes of a download, from the first on, for any number of readers.
 *
 * A chunk can be read from memory as soon as it has come; meanwhile it is written to a growing file and hashed, both at
 * once, and when both are done it is read from the file. When a write fails, the spool goes on in memory: what was
 * written is still read from the file, what comes after is kept until all readers have passed it, and the download
 * waits for them. Nothing can be stored then, but nobody who was reading has to stop. The same holds for what is not to
 * be stored (`pass`), which so takes no disk.
 */
export class Spool {
  /** How many bytes have come, and can be read. */
  receivedBytes = 0;
  /** Why the disk is not used any more; undefined while it is. */
  diskFailure: Error | undefined;
  readonly readers = new Set<SpoolReader>();
  /** How many bytes an earlier download left. Until the digest of the whole is right, they may be anything. */
  partialBytes = 0;
  #passing = false;
  readonly #store: Pick<BlobStore, 'create' | 'resume'>;
  readonly #digest: Digest;
  readonly #reads: SharedReads;
  readonly #onDiskFailure: (error: Error) => void;
  #writer: BlobWriter | undefined;
  /** In the order of their bytes; those that were written in between are missing. */
  #pieces: Piece[] = [];
  #inMemoryBytes = 0;
  #writesUnderWay = 0;
  #lastWrite: Promise<void> = Promise.resolve();
  #waiters: (() => void)[] = [];

  constructor(
    store: Pick<BlobStore, 'create' | 'resume'>,
    digest: Digest,
    buffers: BufferPool,
    onDiskFailure: (error: Error) => void,
  ) {
    this.#store = store;
    this.#digest = digest;
    this.#reads = new SharedReads((into, position) => this.#read(into, position), buffers);
    this.#onDiskFailure = onDiskFailure;
  }

  /** Whether what comes is written to the disk, and can be stored at the end. */
  get isKept(): boolean {
    return !this.#passing && this.diskFailure === undefined;
  }

  /** From now on what comes is passed on to the readers only. It may be called before `open`, and at any time after. */
  pass(): void {
    this.#passing = true;
  }

  /** Takes over what an earlier download left. It never rejects: what cannot be had is fetched. */
  async resume(): Promise<void> {
    const partial = await this.#store.resume(this.#digest).catch(() => undefined);
    this.#writer = partial?.writer;
    this.partialBytes = partial?.sizeBytes ?? 0;
  }

  /** Begins the file, unless there is one. Called before the first `append`; it never rejects, as memory serves too. */
  async open(): Promise<void> {
    if (!this.isKept) return;
    try {
      this.#writer ??= await this.#store.create(this.#digest);
    } catch (error) {
      this.#failDisk(error as Error);
    }
  }

  /**
   * Hashes what an earlier download left; it can be read meanwhile. Gives an error when it cannot be read from the disk.
   * @throws the signal's reason, what hashing failed with
   */
  async rehash(hash: (bytes: Uint8Array) => Promise<unknown>, signal: AbortSignal): Promise<Error | undefined> {
    const buffers = [Buffer.from(new SharedArrayBuffer(rehashBytes)), Buffer.from(new SharedArrayBuffer(rehashBytes))];
    let hashed: Promise<unknown> = Promise.resolve();
    for (let turn = 0; this.receivedBytes < this.partialBytes; turn = 1 - turn) {
      signal.throwIfAborted();
      const piece = buffers[turn]!.subarray(0, Math.min(rehashBytes, this.partialBytes - this.receivedBytes));
      const error = await this.#fill(piece);
      await hashed;
      if (error) return error;
      hashed = hash(piece);
      hashed.catch(() => {}); // it is awaited when the next piece has been read
      this.receivedBytes += piece.length;
      this.notify();
    }
    await hashed;
    return undefined;
  }

  /** Adds a chunk; it is released when `hashed` has settled, and it is on disk or every reader has it. */
  append(chunk: Chunk, hashed: Promise<unknown>): void {
    const start = this.receivedBytes;
    const piece: Piece = { start, end: start + chunk.bytes.length, chunk, kept: false };
    this.receivedBytes = piece.end;
    this.#inMemoryBytes += chunk.bytes.length;
    this.#pieces.push(piece);
    void this.#bringToDisk(piece, hashed);
    this.notify();
  }

  /** Whether the next chunk has to wait. */
  get isFull(): boolean {
    return this.#inMemoryBytes >= maxInMemoryBytes;
  }

  /** Resolves when the next chunk may be appended. */
  async room(): Promise<void> {
    while (this.isFull) await this.changed();
  }

  /** Resolves when no write is under way any more. */
  async settled(): Promise<void> {
    while (this.#writesUnderWay > 0) await this.changed();
  }

  /**
   * The bytes from a position on that have come, one at least and `limitBytes` at most.
   * @throws what the disk failed with, RegistryError INTERNAL when the file has become shorter
   */
  next(position: number, limitBytes: number): Promise<Chunk> {
    return this.#reads.next(position, Math.min(limitBytes, this.receivedBytes - position));
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
    if (this.isKept) return;
    let neededFrom = Number.POSITIVE_INFINITY;
    for (const { position } of this.readers) neededFrom = Math.min(neededFrom, position);
    for (const piece of this.#pieces.filter(({ kept, end }) => kept && end <= neededFrom)) this.#free(piece);
  }

  /** The readers that all others wait for: they have not yet taken the oldest bytes that are kept. */
  laggards(): SpoolReader[] {
    const oldest = this.#pieces.find(({ kept }) => kept);
    return oldest ? [...this.readers].filter(({ position }) => position < oldest.end) : [];
  }

  /**
   * Stores what has come, as it is right and whole. Called at most once, when `settled`.
   * @throws what the disk failed with, or when it is not kept
   */
  async commit(): Promise<void> {
    if (!this.isKept || !this.#writer) throw this.diskFailure ?? new Error('Cannot store what was not kept');
    await this.#writer.commit();
  }

  /** Lets nobody who has none of it yet read what is here, as it is wrong. */
  hide(): void {
    this.receivedBytes = 0;
  }

  /** Drops what is here, so that it can begin again from the first byte. Called when nobody has got any, and `settled`. */
  async drop(): Promise<void> {
    this.partialBytes = 0;
    this.receivedBytes = 0;
    this.#reads.forget(); // not before: whoever is cut off may read once more until it has left
    await this.close().catch(() => {}); // what cannot be removed is in nobody's way
  }

  /**
   * Ends the file; what was not committed is removed, or kept for a later download. Called when nobody reads, and after
   * every write has settled.
   */
  async close({ keep = false } = {}): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    for (const piece of [...this.#pieces]) this.#free(piece);
    await writer?.close({ keep });
  }

  /** Fills a buffer from the file with the bytes that come next. */
  async #fill(piece: Uint8Array): Promise<Error | undefined> {
    try {
      const count = await this.#writer!.read(piece, this.receivedBytes);
      return count === piece.length ? undefined : new Error('Cannot go on with a partial blob: it has become shorter');
    } catch (error) {
      return error as Error;
    }
  }

  async #read(into: Uint8Array, position: number): Promise<number> {
    const piece = this.#pieces.find(({ end }) => end > position);
    if (piece && piece.start <= position) return copyShared(piece.chunk.bytes, position - piece.start, into);
    const wanted = piece ? Math.min(into.length, piece.start - position) : into.length;
    const count = await this.#writer!.read(into.subarray(0, wanted), position);
    if (count > 0) return count;
    throw new RegistryError('INTERNAL', 'Cannot read on: the spool file is shorter than what was written to it');
  }

  async #bringToDisk(piece: Piece, hashed: Promise<unknown>): Promise<void> {
    const { bytes } = piece.chunk;
    this.#writesUnderWay++;
    try {
      // The hash reads the bytes where they lie; if it fails, it says so itself at its end.
      await Promise.all([this.#write(bytes, piece.start), hashed.catch(() => {})]);
      this.#free(piece);
    } catch (error) {
      if (this.isKept) this.#failDisk(error as Error);
      await hashed.catch(() => {});
      this.#keep(piece);
    } finally {
      this.#writesUnderWay--;
      this.notify();
    }
  }

  // One after the other: the system lets only one thread at a time write to a file, and others that try burn the
  // processor's time while they wait.
  #write(bytes: Uint8Array, position: number): Promise<void> {
    const written = this.#lastWrite.then(() => {
      if (!this.#writer || !this.isKept) throw this.diskFailure ?? new Error('Nothing is kept any more');
      return this.#writer.write(bytes, position);
    });
    this.#lastWrite = written.catch(() => {});
    return written;
  }

  /** Keeps what readers still need of a piece, in memory of its own: the transfer cannot go on without its buffers. */
  #keep(piece: Piece): void {
    piece.kept = true;
    this.trim();
    if (!this.#pieces.includes(piece)) return;
    const { chunk } = piece;
    piece.chunk = { bytes: Buffer.from(chunk.bytes), release() {} };
    chunk.release();
  }

  #failDisk(error: Error): void {
    this.diskFailure = error;
    this.#onDiskFailure(error);
  }

  #free(piece: Piece): void {
    const index = this.#pieces.indexOf(piece);
    if (index < 0) return;
    this.#pieces.splice(index, 1);
    this.#inMemoryBytes -= piece.chunk.bytes.length;
    piece.chunk.release();
    this.notify();
  }
}
