import type { Digest } from '../../../src/oci/digest.ts';
import type {
  BlobStore,
  BlobWriter,
  Leftover,
  ListedBlob,
  PartialBlob,
  StoredBlob,
} from '../../../src/store/blob-store.ts';

/** What goes wrong in a memory store, or waits: each is asked at every such call. */
export interface StoreFaults {
  size?: (() => Promise<void>) | undefined;
  open?: (() => Promise<void>) | undefined;
  create?: (() => Promise<void>) | undefined;
  resume?: (() => Promise<void>) | undefined;
  read?: (() => Promise<void>) | undefined;
  write?: ((position: number) => Promise<void>) | undefined;
  commit?: (() => Promise<void>) | undefined;
  close?: (() => Promise<void>) | undefined;
}

/** A store of blobs in memory, for failures that no disk can be made to have at a given moment. */
export class MemoryBlobStore implements BlobStore {
  readonly blobs = new Map<Digest, Buffer>();
  /** What can be taken over. */
  readonly kept = new Map<Digest, Buffer>();
  readonly faults: StoreFaults = {};
  /** How many blobs are being written. */
  openWriters = 0;

  async size(digest: Digest): Promise<number | undefined> {
    await this.faults.size?.();
    return this.blobs.get(digest)?.length;
  }

  async open(digest: Digest): Promise<StoredBlob | undefined> {
    await this.faults.open?.();
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) return undefined;
    return {
      sizeBytes: bytes.length,
      read: async (into, position) => {
        await this.faults.read?.();
        return readAt(bytes, into, position);
      },
      remove: async () => this.blobs.get(digest) === bytes && this.blobs.delete(digest),
      async close() {},
    };
  }

  async create(digest: Digest): Promise<BlobWriter> {
    await this.faults.create?.();
    return this.#write(digest, Buffer.alloc(0));
  }

  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    await this.faults.create?.();
    await this.faults.write?.(0);
    await this.faults.commit?.();
    this.blobs.set(digest, Buffer.from(bytes));
  }

  async resume(digest: Digest): Promise<PartialBlob | undefined> {
    await this.faults.resume?.();
    const kept = this.kept.get(digest);
    this.kept.delete(digest);
    return kept && { writer: this.#write(digest, kept), sizeBytes: kept.length };
  }

  async partials(): Promise<{ count: number; sizeBytes: number }> {
    return { count: this.kept.size, sizeBytes: [...this.kept.values()].reduce((sum, { length }) => sum + length, 0) };
  }

  #write(digest: Digest, begun: Buffer): BlobWriter {
    this.openWriters++;
    let bytes = begun;
    let isCommitted = false;
    return {
      read: async (into, position) => {
        await this.faults.read?.();
        return readAt(bytes, into, position);
      },
      write: async (piece, position) => {
        await this.faults.write?.(position);
        const end = position + piece.length;
        if (end > bytes.length) bytes = Buffer.concat([bytes, Buffer.alloc(end - bytes.length)]);
        bytes.set(piece, position);
      },
      commit: async () => {
        await this.faults.commit?.();
        this.blobs.set(digest, bytes);
        isCommitted = true;
      },
      close: async ({ keep = false } = {}) => {
        await this.faults.close?.();
        this.openWriters--;
        if (isCommitted) this.kept.delete(digest);
        else if (keep && bytes.length > (this.kept.get(digest)?.length ?? 0)) this.kept.set(digest, bytes);
      },
    };
  }

  async remove(digest: Digest): Promise<boolean> {
    return this.blobs.delete(digest);
  }

  async *list(): AsyncIterable<ListedBlob> {
    for (const [digest, { length }] of this.blobs) yield { digest, sizeBytes: length, writtenAtMs: 0 };
  }

  async *listLeftovers(): AsyncIterable<Leftover> {}
}

function readAt(bytes: Buffer, into: Uint8Array, position: number): number {
  const part = bytes.subarray(position, position + into.length);
  into.set(part);
  return part.length;
}
