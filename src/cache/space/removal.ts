import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { Log } from '../../util/log.ts';

/** What contents are removed from. */
export interface RemovalTools {
  readonly index: Pick<MetadataIndex, 'removeContents'>;
  readonly store: Pick<BlobStore, 'remove'>;
  /** Forgets what is held of content in memory. */
  readonly memory?: { remove(digest: Digest): void };
  readonly log: Log;
}

/**
 * Removes contents: from the index first, so that nothing leads to a file that is not there, then the files. When the
 * process dies in between, files are left that nothing knows of; checking the store finds them.
 */
export class Removal {
  readonly #tools: RemovalTools;
  readonly #underWay = new Map<Digest, Promise<void>>();

  constructor(tools: RemovalTools) {
    this.#tools = tools;
  }

  /** @throws what the index failed with; a file that cannot be removed is told to the log */
  async remove(digests: readonly Digest[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const digest of digests) this.#underWay.set(digest, promise);
    try {
      await this.#tools.index.removeContents(digests);
      // One after the other: the few threads that remove files are those that hits are read by.
      for (const digest of digests) await this.#removeFile(digest);
    } finally {
      for (const digest of digests) this.#underWay.delete(digest);
      resolve();
    }
  }

  /** Resolves when content is not just being removed: what is stored before may be taken away with it. */
  async settled(digest: Digest): Promise<void> {
    for (let promise = this.#underWay.get(digest); promise; promise = this.#underWay.get(digest)) await promise;
  }

  async #removeFile(digest: Digest): Promise<void> {
    this.#tools.memory?.remove(digest);
    try {
      await this.#tools.store.remove(digest);
    } catch (error) {
      this.#tools.log.error({ digest, reason: (error as Error).message }, 'blob cannot be removed');
    }
  }
}
