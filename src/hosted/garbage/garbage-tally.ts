import { setImmediate } from 'node:timers/promises';
import type { HostedIndex } from '../../index/hosted-index.ts';
import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Garbage } from './find-garbage.ts';

/** Counts what goes, and foresees for a dry run what space that would free. */
export class GarbageTally {
  manifests = 0;
  blobs = 0;
  #contents = 0;
  #sizeBytes = 0;
  readonly #waiting = { manifests: 0, blobs: 0 };
  /** Of each content, how many repositories would let go of it. */
  readonly #lettingGo = new Map<Digest, { sizeBytes: number; count: number }>();

  get total() {
    const { manifests, blobs } = this;
    return { manifests, blobs, contents: this.#contents, sizeBytes: this.#sizeBytes, waiting: this.#waiting };
  }

  /** Counts content that no repository has any more. */
  free(sizeBytes: number): void {
    this.#contents++;
    this.#sizeBytes += sizeBytes;
  }

  /** Counts what is garbage but for its age. */
  wait(garbage: Garbage, ofAnyAge: Garbage): void {
    this.#waiting.manifests += ofAnyAge.manifests.length - garbage.manifests.length;
    this.#waiting.blobs += ofAnyAge.blobs.length - garbage.blobs.length;
  }

  /** Counts garbage of a repository as if it went. */
  note({ manifests, blobs }: Garbage): void {
    this.manifests += manifests.length;
    this.blobs += blobs.length;
    for (const { digest, sizeBytes } of [...manifests, ...blobs]) {
      const count = (this.#lettingGo.get(digest)?.count ?? 0) + 1;
      this.#lettingGo.set(digest, { sizeBytes, count });
    }
  }

  /** Counts what no repository would have any more: what has no other holders than those that would let go. */
  async foresee(
    index: Pick<HostedIndex, 'listHolders'> & Pick<MetadataIndex, 'getContent'>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const [digest, { sizeBytes, count }] of this.#lettingGo) {
      await setImmediate(undefined, { signal });
      const holders = await index.listHolders(digest, count + 1);
      if (holders.length !== count || (await index.getContent(digest))?.pinned !== false) continue;
      this.free(sizeBytes);
    }
  }
}
