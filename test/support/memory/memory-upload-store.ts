import { randomUUID } from 'node:crypto';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import type { OpenUpload, StoredUpload, UploadStore } from '../../../src/store/upload-store.ts';

/** What goes wrong in memory uploads, or waits: each is asked at every such call, before it does anything. */
export interface UploadFaults {
  begin?: (() => Promise<void>) | undefined;
  open?: ((id: string) => Promise<void>) | undefined;
  claim?: ((id: string) => Promise<void>) | undefined;
  stat?: ((id: string) => Promise<void>) | undefined;
  remove?: ((id: string) => Promise<void>) | undefined;
  keep?: ((id: string) => Promise<void>) | undefined;
  read?: ((position: number) => Promise<void>) | undefined;
  append?: ((position: number) => Promise<void>) | undefined;
  commit?: ((digest: Digest) => Promise<void>) | undefined;
  /** Beside that of which `placed` was told: the blob is there. */
  placed?: ((digest: Digest) => Promise<void>) | undefined;
}

/** An upload in memory. */
interface MemoryUpload {
  readonly repository: Repository;
  readonly beganAtMs: number;
  bytes: Buffer;
  writtenAtMs: number;
}

/** Uploads in memory, for failures that no disk can be made to have at a given moment. */
export class MemoryUploadStore implements UploadStore {
  readonly uploads = new Map<string, MemoryUpload>();
  readonly faults: UploadFaults = {};
  /** What another process has that lives. */
  readonly theirs = new Set<string>();
  /** How many are open. */
  open = 0;
  readonly #blobs: Map<Digest, Buffer>;
  readonly #now: () => number;

  /** What is committed goes to the blobs (of a `MemoryBlobStore`). */
  constructor(blobs: Map<Digest, Buffer>, now: () => number = Date.now) {
    this.#blobs = blobs;
    this.#now = now;
  }

  async beginUpload(repository: Repository): Promise<OpenUpload> {
    await this.faults.begin?.();
    const nowMs = this.#now();
    const upload = { repository, beganAtMs: nowMs, bytes: Buffer.alloc(0), writtenAtMs: nowMs };
    const id = randomUUID();
    this.uploads.set(id, upload);
    return this.#open(id, upload);
  }

  async claimUpload(id: string): Promise<'ours' | 'theirs' | undefined> {
    await this.faults.claim?.(id);
    if (!this.uploads.has(id)) return undefined;
    return this.theirs.has(id) ? 'theirs' : 'ours';
  }

  async openUpload(id: string): Promise<OpenUpload | undefined> {
    await this.faults.open?.(id);
    const upload = this.#own(id);
    return upload && this.#open(id, upload);
  }

  async statUpload(id: string): Promise<StoredUpload | undefined> {
    await this.faults.stat?.(id);
    const upload = this.#own(id);
    return upload && stored(id, upload);
  }

  async removeUpload(id: string): Promise<boolean> {
    await this.faults.remove?.(id);
    return this.#own(id) !== undefined && this.uploads.delete(id);
  }

  async *listUploads(): AsyncIterable<StoredUpload> {
    for (const [id, upload] of this.uploads) if (!this.theirs.has(id)) yield stored(id, upload);
  }

  async close(): Promise<void> {}

  #own(id: string): MemoryUpload | undefined {
    return this.theirs.has(id) ? undefined : this.uploads.get(id);
  }

  #open(id: string, upload: MemoryUpload): OpenUpload {
    this.open++;
    let isBlob = false;
    return {
      id,
      repository: upload.repository,
      get sizeBytes() {
        return upload.bytes.length;
      },
      read: async (into, position) => {
        await this.faults.read?.(position);
        const part = upload.bytes.subarray(position, position + into.length);
        into.set(part);
        return part.length;
      },
      append: async (bytes) => {
        if (isBlob) throw new Error('Cannot write an upload: it is a blob by now');
        await this.faults.append?.(upload.bytes.length);
        upload.bytes = Buffer.concat([upload.bytes, bytes]);
        upload.writtenAtMs = this.#now();
      },
      keep: async () => this.faults.keep?.(id),
      commit: async (digest, placed) => {
        await this.faults.commit?.(digest);
        if (!this.uploads.delete(id)) throw new Error('Cannot store an upload: it was removed');
        this.#blobs.set(digest, upload.bytes);
        isBlob = true;
        await Promise.all([placed?.(), this.faults.placed?.(digest)]);
      },
      close: async () => {
        this.open--;
        if (!isBlob) await this.faults.keep?.(id);
      },
    };
  }
}

function stored(id: string, { repository, bytes, beganAtMs, writtenAtMs }: MemoryUpload): StoredUpload {
  return { id, repository, sizeBytes: bytes.length, beganAtMs, writtenAtMs };
}
