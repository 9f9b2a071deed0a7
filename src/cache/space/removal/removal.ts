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
  /** Eviction and garbage collection may both be at work, on the same content. */
  readonly #underWay = new Set<{ readonly digests: readonly Digest[]; readonly over: Promise<void> }>();

  constructor(tools: RemovalTools) {
    this.#tools = tools;
  }

  /**
   * Returns what was removed.
   * @throws what the index failed with; a file that cannot be removed is told to the log
   */
  async remove(digests: readonly Digest[]): Promise<readonly Digest[]> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const underWay = { digests, over: promise };
    this.#underWay.add(underWay);
    try {
      const removed = await this.#tools.index.removeContents(digests);
      // One after the other: the few threads that remove files are those that hits are read by.
      for (const digest of removed) await this.#removeFile(digest);
      return removed;
    } finally {
      this.#underWay.delete(underWay);
      resolve();
    }
  }

  /** Resolves when content is not just being removed: what is stored before may be taken away with it. */
  async settled(digest: Digest): Promise<void> {
    const find = () => [...this.#underWay].find(({ digests }) => digests.includes(digest));
    for (let found = find(); found; found = find()) await found.over;
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
