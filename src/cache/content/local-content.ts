import type { MetadataIndex, RepositoryKey } from '../../index/metadata-index.ts';
import { algorithmOf, type Digest, digestOf } from '../../oci/digest.ts';
import { referencesOf } from '../../oci/manifest/manifest.ts';
import type { BlobContent, CacheOutcome, RequestedRange } from '../../oci/registry.ts';
import type { BlobStore, StoredBlob } from '../../store/blob-store.ts';
import type { Log } from '../../util/log/log.ts';
import type { Clock } from '../../util/time/clock.ts';
import type { Space } from '../space/space.ts';
import { type ContentMemory, maxRememberedBytes } from './content-memory.ts';
import type { Damages } from './damages.ts';
import type { ContentInUse } from './in-use.ts';
import type { BufferPool } from './reading/buffers.ts';
import { memoryContent, storedContent } from './reading/stored-content.ts';

/** What local content is made of. */
export interface LocalContentTools {
  readonly store: BlobStore;
  readonly index: MetadataIndex;
  readonly memory: ContentMemory;
  readonly buffers: BufferPool;
  readonly space: Space;
  readonly inUse: ContentInUse;
  readonly clock: Clock;
  readonly damages: Damages;
  readonly log: Log;
}

/** A manifest may be of any size that upstream may send: it is read whole. */
const maxWholeBytes = 8 * 1024 * 1024;

/** Room is answered for when a run is over, at the latest. */
const untilAnswered = new AbortController().signal;

/**
 * The content that is here, by digest, whoever may read it: in memory what is small, on disk the rest. Small content is
 * verified whenever it comes from the disk; when it is not what it was, it is removed, and so will be fetched again.
 */
export class LocalContent {
  readonly #tools: LocalContentTools;
  readonly #closing = new Set<Promise<void>>();

  constructor(tools: LocalContentTools) {
    this.#tools = tools;
  }

  /** Resolves when every file is closed of which the content was. Called when nothing is read any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#closing);
  }

  /**
   * Keeps content from being removed to make room, until what it gives is called. What is just being removed is gone
   * when it resolves: until then its file may be there, though nobody knows it any more.
   */
  async hold(digest: Digest): Promise<() => void> {
    const letGo = this.#tools.inUse.take(digest);
    await this.#tools.space.removed(digest);
    return letGo;
  }

  /** The size of content that is here. */
  async size(digest: Digest): Promise<number | undefined> {
    return this.#tools.memory.get(digest)?.length ?? (await unlessDiskFails(this.#tools.store.size(digest)));
  }

  /**
   * Content, or a part of it. When its size is known to be another than that of the file, the file is dropped.
   * @throws RegistryError RANGE_INVALID
   */
  async open(
    digest: Digest,
    range: RequestedRange | undefined,
    outcome: CacheOutcome,
    knownBytes?: number,
  ): Promise<BlobContent | undefined> {
    const remembered = this.#tools.memory.get(digest);
    if (remembered) return memoryContent(remembered, range, outcome);
    const release = this.#tools.inUse.take(digest);
    let isLarge = false;
    try {
      const blob = await unlessDiskFails(this.#tools.store.open(digest));
      if (!blob) return undefined;
      if (blob.sizeBytes !== (knownBytes ?? blob.sizeBytes)) return await this.#drop(digest, blob, { knownBytes });
      isLarge = blob.sizeBytes > maxRememberedBytes;
      if (isLarge) {
        const closing = (closed: Promise<void>) => {
          release();
          this.#noteClosing(digest, closed);
        };
        return await storedContent(this.#dropUnreadable(digest, blob), range, this.#tools.buffers, outcome, closing);
      }
      const bytes = await this.#readAndVerify(digest, blob);
      return bytes && memoryContent(bytes, range, outcome);
    } finally {
      if (!isLarge) release(); // large content is in use until it is closed
    }
  }

  /** All bytes of content that is small enough to be a manifest. */
  async readWhole(digest: Digest): Promise<Uint8Array | undefined> {
    const remembered = this.#tools.memory.get(digest);
    if (remembered) return remembered;
    const blob = await unlessDiskFails(this.#tools.store.open(digest));
    if (!blob) return undefined;
    if (blob.sizeBytes <= maxWholeBytes) return this.#readAndVerify(digest, blob);
    await blob.close();
    return undefined;
  }

  /**
   * Keeps the verified bytes of a manifest; false when there is no room for them.
   * @throws what the store or the index failed with; the bytes are in memory all the same
   */
  async put(digest: Digest, bytes: Uint8Array, key: RepositoryKey, mediaType: string): Promise<boolean> {
    const { memory, inUse } = this.#tools;
    memory.put(digest, bytes);
    const letGo = inUse.take(digest); // it is not removed while it is being noted
    try {
      return await this.#store(digest, bytes, key, mediaType);
    } finally {
      letGo();
    }
  }

  /**
   * Stores verified bytes, durably, in a file of their own, which takes the place of one that is there. No room is taken
   * for them, and the index is not told: that is for the caller.
   */
  async store(digest: Digest, bytes: Uint8Array): Promise<void> {
    await this.#tools.store.put(digest, bytes);
    this.#tools.memory.put(digest, bytes);
  }

  async #store(digest: Digest, bytes: Uint8Array, key: RepositoryKey, mediaType: string): Promise<boolean> {
    const { index, space, clock } = this.#tools;
    const room = await space.reserve(digest, bytes.length, untilAnswered);
    if (!room) return false;
    try {
      // One of another size is damaged, and is replaced.
      if ((await this.#tools.store.size(digest)) !== bytes.length) await this.#tools.store.put(digest, bytes);
      await index.putContent(digest, bytes.length, clock.now());
      await index.link(key, digest, mediaType, clock.now());
      await index.putReferences(digest, referencesOf(bytes, mediaType));
    } finally {
      room.release();
    }
    return true;
  }

  async #readAndVerify(digest: Digest, blob: StoredBlob): Promise<Uint8Array | undefined> {
    const bytes = Buffer.allocUnsafeSlow(blob.sizeBytes);
    let found: Digest;
    try {
      const count = await blob.read(bytes, 0);
      found = digestOf(bytes.subarray(0, count), algorithmOf(digest));
    } catch (error) {
      if (isUnreadable(error)) return this.#drop(digest, blob, { reason: (error as Error).message });
      await blob.close();
      return undefined;
    }
    if (found !== digest) return this.#drop(digest, blob, { found });
    await blob.close();
    this.#tools.memory.put(digest, bytes);
    return bytes;
  }

  /** Nobody waits for it: the answer is whole. Nothing was written, so nothing is lost; but it may be a file left open. */
  #noteClosing(digest: Digest, closed: Promise<void>): void {
    const closing = closed
      .catch((error: Error) => this.#tools.log.error({ digest, reason: error.message }, 'stored blob cannot be closed'))
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** The same blob, which is dropped when the disk cannot give its bytes: the next request fetches it. */
  #dropUnreadable(digest: Digest, blob: StoredBlob): StoredBlob {
    return {
      sizeBytes: blob.sizeBytes,
      read: async (into, position) => {
        try {
          return await blob.read(into, position);
        } catch (error) {
          const facts = { sizeBytes: blob.sizeBytes, reason: (error as Error).message };
          if (isUnreadable(error)) await this.#tools.damages.drop(digest, blob, facts);
          throw error;
        }
      },
      remove: () => blob.remove(),
      close: () => blob.close(),
    };
  }

  async #drop(digest: Digest, blob: StoredBlob, facts: Readonly<Record<string, unknown>>): Promise<undefined> {
    try {
      await this.#tools.damages.drop(digest, blob, { sizeBytes: blob.sizeBytes, ...facts });
    } finally {
      await blob.close();
    }
  }
}

/** What cannot be looked up is as if it were not here: upstream may have it. The health of the disk was told. */
function unlessDiskFails<T>(lookUp: Promise<T | undefined>): Promise<T | undefined> {
  return lookUp.catch(() => undefined);
}

/** Whether it is these bytes that are lost, and not the disk that is away for a moment. */
function isUnreadable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EIO';
}
