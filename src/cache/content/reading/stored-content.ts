import type { BlobContent, CacheOutcome, Chunk, RequestedRange } from '../../../oci/registry.ts';
import { resolveRange } from '../../../oci/wire/range.ts';
import type { StoredBlob } from '../../../store/blob-store.ts';
import type { BufferPool } from './buffers.ts';

/**
 * A stored blob, or a part of it, as content; closing it closes the blob. `closing` is called once, when nothing more is
 * read, with what closes the blob: whoever has it waits for that, and hears that it failed.
 * @throws RegistryError RANGE_INVALID; the blob is closed then
 */
export async function storedContent(
  blob: StoredBlob,
  range: RequestedRange | undefined,
  buffers: BufferPool,
  outcome: CacheOutcome,
  closing: Closing = (closed) => void closed.catch(() => {}),
): Promise<BlobContent> {
  try {
    return new StoredContent(blob, resolveRange(range, blob.sizeBytes), buffers, outcome, closing);
  } catch (error) {
    closing(blob.close());
    throw error;
  }
}

type Closing = (closed: Promise<void>) => void;

class StoredContent implements BlobContent {
  readonly sizeBytes: number;
  readonly start: number;
  readonly end: number;
  readonly outcome: CacheOutcome;
  readonly #blob: StoredBlob;
  readonly #buffers: BufferPool;
  readonly #closing: Closing;
  #position: number;
  /** How many reads are under way. */
  #reads = 0;
  #closed = false;

  constructor(
    blob: StoredBlob,
    part: { start: number; end: number },
    buffers: BufferPool,
    outcome: CacheOutcome,
    closing: Closing,
  ) {
    this.#blob = blob;
    this.#buffers = buffers;
    this.#closing = closing;
    this.sizeBytes = blob.sizeBytes;
    this.start = part.start;
    this.end = part.end;
    this.outcome = outcome;
    this.#position = part.start;
  }

  async next(): Promise<Chunk | undefined> {
    if (this.#closed) throw new Error('Cannot read on: the content was closed');
    if (this.#position >= this.end) return undefined;
    const buffer = this.#buffers.take();
    this.#reads++;
    try {
      const wanted = Math.min(buffer.length, this.end - this.#position);
      const count = await this.#blob.read(buffer.subarray(0, wanted), this.#position);
      if (count < wanted)
        throw new Error(`The stored blob ends at byte ${this.#position + count} of ${this.sizeBytes}`);
      this.#position += count;
      return { bytes: buffer.subarray(0, count), release: () => this.#buffers.give(buffer) };
    } catch (error) {
      this.#buffers.give(buffer);
      throw error;
    } finally {
      this.#reads--;
      if (this.#closed && this.#reads === 0) this.#release();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#reads === 0) this.#release();
  }

  // The descriptor may be closed only when no read is under way: the system may give its number to another file.
  #release(): void {
    this.#closing(this.#blob.close());
  }
}

/** Content that is in memory; its bytes are not copied, nor to be changed. */
export function memoryContent(
  bytes: Uint8Array,
  range: RequestedRange | undefined,
  outcome: CacheOutcome,
): BlobContent {
  const { start, end } = resolveRange(range, bytes.length);
  let given = start === end;
  return {
    sizeBytes: bytes.length,
    start,
    end,
    outcome,
    async next() {
      if (given) return undefined;
      given = true;
      return { bytes: bytes.subarray(start, end), release() {} };
    },
    close() {
      given = true;
    },
  };
}
