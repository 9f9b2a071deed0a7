import { RegistryError } from '../../oci/errors.ts';
import type { BlobContent, CacheOutcome, Chunk, RequestedRange } from '../../oci/registry.ts';
import { resolveRange } from '../../oci/wire/range.ts';
import type { Spool, SpoolReader } from './spool.ts';

/** What a follower sees of the download that it follows. */
export interface Followed {
  readonly spool: Spool;
  /** The size of the blob; undefined until it is known. */
  readonly sizeBytes: number | undefined;
  /** How far a follower may read now: the last byte is held back until the digest is right. */
  readonly visibleBytes: number;
  /** How many of the first bytes an earlier download left on the disk, which may be anything after a crash. */
  readonly partialBytes: number;
  /** Why no more will come; undefined while more may. */
  readonly failure: Error | undefined;
  /** Whether every byte has come and is right. */
  readonly verified: boolean;
}

/** One reader of a download, at its own pace; whatever becomes of it, the download goes on. */
export class Follower implements BlobContent, SpoolReader {
  readonly #outcome: CacheOutcome;
  readonly #followed: Followed;
  readonly #left: () => void;
  #start = 0;
  #end: number | undefined;
  #position = 0;
  #reading = false;
  #closed = false;
  #hasBytes = false;
  #error: Error | undefined;

  /** @param left called once, when the reader has gone and no read of it is under way */
  constructor(followed: Followed, outcome: CacheOutcome, left: () => void) {
    this.#followed = followed;
    this.#outcome = outcome;
    this.#left = left;
    followed.spool.readers.add(this);
  }

  get sizeBytes(): number | undefined {
    return this.#followed.sizeBytes;
  }

  /** As it was asked for; but what is not kept is not stored. */
  get outcome(): CacheOutcome {
    if (this.#outcome.kind !== 'miss' || this.#followed.spool.isKept) return this.#outcome;
    return { ...this.#outcome, stored: false };
  }

  get start(): number {
    return this.#start;
  }

  get end(): number | undefined {
    return this.#end;
  }

  get position(): number {
    return this.#position;
  }

  get hasBytes(): boolean {
    return this.#hasBytes;
  }

  /**
   * Chooses the bytes that are read, once the size is known. While it is not, there is only the whole.
   * @throws RegistryError RANGE_INVALID
   */
  begin(range: RequestedRange | undefined): void {
    const { sizeBytes } = this.#followed;
    if (sizeBytes === undefined) return;
    const { start, end } = resolveRange(range, sizeBytes);
    this.#start = start;
    this.#position = start;
    this.#end = end;
  }

  async next(): Promise<Chunk | undefined> {
    this.#reading = true;
    try {
      const chunk = await this.#read();
      this.#position += chunk?.bytes.length ?? 0;
      return chunk;
    } finally {
      this.#reading = false;
      if (this.#closed || this.#error) this.#leave();
    }
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#followed.spool.notify();
    // A client that takes nothing never comes for the error, and must not hold what is kept for it until then.
    if (!this.#reading) this.#leave();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#followed.spool.notify();
    if (!this.#reading) this.#leave();
  }

  /** Reads what can be read now; waits for the first byte, and gives undefined after the last. */
  async #read(): Promise<Chunk | undefined> {
    // What the reader has not yet taken of the last chunk is in its own buffers, so these bytes can go.
    this.#followed.spool.trim();
    for (;;) {
      if (this.#closed) throw new RegistryError('INTERNAL', 'Cannot read on: the reader was closed');
      if (this.#error) throw this.#error;
      const followed = this.#followed;
      const end = this.#end ?? (followed.verified ? followed.spool.receivedBytes : Number.POSITIVE_INFINITY);
      if (this.#position >= end) return undefined; // only a part can be complete here before all is verified
      const count = Math.min(end, followed.visibleBytes) - this.#position;
      if (count > 0 && !this.#mustWait()) {
        this.#hasBytes = true; // in the same moment: what turns out wrong is dropped as soon as nobody has any of it
        return followed.spool.next(this.#position, count);
      }
      if (followed.failure) throw followed.failure;
      await followed.spool.changed();
    }
  }

  /**
   * Whether it may get nothing before all is verified: a part that ends before the last byte would be whole by then, and
   * what an earlier process left on the disk is not to be given out unseen.
   */
  #mustWait(): boolean {
    const { verified, sizeBytes, partialBytes } = this.#followed;
    return !verified && this.#position < partialBytes && this.#end !== undefined && this.#end !== sizeBytes;
  }

  #leave(): void {
    const { spool } = this.#followed;
    if (!spool.readers.delete(this)) return;
    spool.trim();
    spool.notify();
    this.#left();
  }
}
