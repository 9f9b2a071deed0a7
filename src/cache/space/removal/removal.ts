import type { MetadataIndex } from '../../../index/metadata-index.ts';
import type { Digest } from '../../../oci/digest.ts';
import type { Log } from '../../../util/log/log.ts';
import { type FileRemovalTools, removeForgottenFile } from './file-removal.ts';

/** What contents are removed from. */
export interface RemovalTools extends FileRemovalTools {
  readonly index: Pick<MetadataIndex, 'removeContents'> & FileRemovalTools['index'];
  /** Forgets what is held of content in memory. */
  readonly memory?: { remove(digest: Digest): void };
  readonly log: Log;
}

/**
 * Removes contents: from the index first, so that nothing leads to a file that is not there, then the files. When the
 * process dies in between, files are left that nothing knows of; checking the store finds them. What a hosted repository
 * holds stays.
 */
export class Removal {
  readonly #tools: RemovalTools;
  readonly #underWay = new Map<Digest, Promise<void>>();

  constructor(tools: RemovalTools) {
    this.#tools = tools;
  }

  /**
   * Returns what was removed.
   * @throws what the index failed with; a file that cannot be removed is told to the log
   */
  async remove(digests: readonly Digest[]): Promise<readonly Digest[]> {
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const digest of digests) this.#underWay.set(digest, promise);
    try {
      const removed = await this.#tools.index.removeContents(digests);
      // One after the other: the few threads that remove files are those that hits are read by.
      for (const digest of removed) await this.#removeFile(digest);
      return removed;
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
      await removeForgottenFile(this.#tools, digest);
    } catch (error) {
      this.#tools.log.error({ digest, reason: (error as Error).message }, 'blob cannot be removed');
    }
  }
}
