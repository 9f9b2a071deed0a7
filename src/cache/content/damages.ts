import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobStore, StoredBlob } from '../../store/blob-store.ts';
import type { Log } from '../../util/log/log.ts';
import { forgetMissing } from './forget-missing.ts';

/** What damaged content is dropped from. */
export interface DamageTools {
  readonly store: BlobStore;
  readonly index: MetadataIndex;
  /** Forgets what is held of content in memory: what is served from there would be noted as stored. */
  readonly memory?: { remove(digest: Digest): void };
  readonly log: Log;
}

/**
 * Drops stored content that is not what its digest says, whoever found it, so that the next request fetches it. What is
 * hosted nobody else has: that is logged, and it is whole again when it is pushed again.
 */
export class Damages {
  readonly #tools: DamageTools;
  #count = 0;

  constructor(tools: DamageTools) {
    this.#tools = tools;
  }

  /** How many were found. */
  get count(): number {
    return this.#count;
  }

  /**
   * Drops what is open, and what the index knows of it; `facts` say how it is wrong. When another was first it is
   * `gone`, and what took its place stays. It never rejects: what cannot be removed (`stays`) is not to be served either.
   */
  async drop(
    digest: Digest,
    blob: StoredBlob,
    facts: Readonly<Record<string, unknown>>,
  ): Promise<'dropped' | 'gone' | 'stays'> {
    const { index, memory, log } = this.#tools;
    try {
      if (!(await blob.remove())) return 'gone';
      this.#count++;
      memory?.remove(digest);
      const entry = await index.getContent(digest).catch(() => undefined);
      const hosted = entry?.hosted === true;
      log.error({ digest, ...facts, ...(hosted ? { hosted } : {}) }, 'stored content is damaged, removed');
      await forgetMissing(this.#tools, digest, entry?.usedAtMs ?? 0);
      return 'dropped';
    } catch (error) {
      log.error({ digest, ...facts, reason: (error as Error).message }, 'damaged content cannot be removed');
      return 'stays';
    }
  }
}
