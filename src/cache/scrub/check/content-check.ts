import type { ContentEntry } from '../../../index/metadata-index.ts';
import { algorithmOf, type Digest } from '../../../oci/digest.ts';
import { hostedRegistryName } from '../../../oci/hosted.ts';
import type { ListedBlob, StoredBlob } from '../../../store/blob-store.ts';
import type { Clock } from '../../../util/time/clock.ts';
import type { Damages } from '../../content/damages.ts';
import { forgetMissing } from '../../content/forget-missing.ts';
import { type AdoptionTools, adoptContent } from '../adoption.ts';
import type { Finding } from './finding.ts';
import type { StoredHash } from './stored-hash.ts';

// Hosted repositories that are told of at once; when there are more, all are found again by those who look for what is lost.
const maxHolders = 100;

/** What contents are checked with. */
export interface CheckTools extends AdoptionTools {
  readonly damages: Damages;
  readonly clock: Clock;
}

/** How contents are checked. */
export interface CheckOptions {
  /** Whether what is wrong is put right. */
  readonly repair: boolean;
  /** Content that came since then is left alone: whoever brought it verified it. Milliseconds since the epoch. */
  readonly sinceMs: number;
  readonly signal: AbortSignal;
  /** Is told of the size of whatever was checked. */
  checked(sizeBytes: number): void;
  /** Is told of everything that is wrong, and whether it was put right. */
  found(finding: Finding, repaired: boolean): void;
}

/**
 * Checks one content after the other. Beside it content is downloaded, removed and evicted, so what is found wrong is
 * looked at once more before anything is done about it, and whatever took its place meanwhile stays.
 */
export class ContentCheck {
  readonly #tools: CheckTools;
  readonly #hash: StoredHash;
  readonly #options: CheckOptions;

  constructor(tools: CheckTools, hash: StoredHash, options: CheckOptions) {
    this.#tools = tools;
    this.#hash = hash;
    this.#options = options;
  }

  /** Checks content that the index has: that it is stored, and is what it should be. */
  async indexed(entry: ContentEntry): Promise<void> {
    const { digest, storedAtMs } = entry;
    if (this.#isNew(storedAtMs)) return;
    const checked = await this.#check(digest);
    if (checked === 'missing') await this.#missing(entry);
    else if (typeof checked === 'number' && checked !== entry.sizeBytes) await this.#wronglySized(entry, checked);
  }

  /** Checks content that is stored, when the index does not have it. */
  async stored({ digest, writtenAtMs }: ListedBlob): Promise<void> {
    const { index } = this.#tools;
    if (this.#isNew(writtenAtMs) || (await index.getContent(digest))) return;
    const sizeBytes = await this.#check(digest);
    // Whoever wrote it may have noted it meanwhile.
    if (typeof sizeBytes !== 'number' || (await index.getContent(digest))) return;
    const { repair } = this.#options;
    if (repair && !(await adoptContent(this.#tools, { digest, sizeBytes, writtenAtMs }))) return;
    this.#options.found({ kind: 'unindexed', digest, sizeBytes }, repair);
  }

  /** The size of content that is right; otherwise it is dropped, and what is left to say is whether it is there. */
  async #check(digest: Digest): Promise<number | 'missing' | 'wrong'> {
    try {
      const first = await this.#look(digest, () => {});
      if (first !== 'wrong') return first;
      return await this.#look(digest, (blob, found) => this.#damaged(digest, blob, found));
    } catch (error) {
      if (this.#options.signal.aborted) throw error;
      this.#options.found({ kind: 'unreadable', digest, reason: (error as Error).message }, false);
      return 'wrong';
    }
  }

  /** What lies in the future was written when the clock was wrong: nobody knows when that was. */
  #isNew(atMs: number): boolean {
    return atMs >= this.#options.sinceMs && atMs <= this.#tools.clock.now();
  }

  async #look(
    digest: Digest,
    isWrong: (blob: StoredBlob, found: Digest) => Promise<void> | void,
  ): Promise<number | 'missing' | 'wrong'> {
    const blob = await this.#tools.store.open(digest);
    if (blob === undefined) return 'missing';
    try {
      const found = await this.#hash.digest(blob, algorithmOf(digest), this.#options.signal);
      if (found === digest) {
        this.#options.checked(blob.sizeBytes);
        return blob.sizeBytes;
      }
      await isWrong(blob, found);
      return 'wrong';
    } finally {
      await blob.close();
    }
  }

  async #damaged(digest: Digest, blob: StoredBlob, found: Digest): Promise<void> {
    const { sizeBytes } = blob;
    const { repair } = this.#options;
    const end = repair ? await this.#tools.damages.drop(digest, blob, { sizeBytes, found }) : 'stays';
    if (end !== 'gone') this.#options.found({ kind: 'damaged', digest, sizeBytes, found }, end === 'dropped');
  }

  async #missing({ digest, sizeBytes }: ContentEntry): Promise<void> {
    const { store, index } = this.#tools;
    const entry = await index.getContent(digest);
    if (entry === undefined || (await store.size(digest)) !== undefined) return;
    const { repair, found } = this.#options;
    const holders = entry.hosted ? await index.listHolders(digest, maxHolders) : [];
    if (repair && !(await forgetMissing(this.#tools, digest, entry.usedAtMs))) return;
    const lost = holders.filter(({ registry }) => registry === hostedRegistryName);
    for (const key of lost) found({ kind: 'lost', digest, ...key }, false);
    if (lost.length === 0) found({ kind: 'missing', digest, sizeBytes }, repair);
  }

  async #wronglySized({ digest, usedAtMs }: ContentEntry, sizeBytes: number): Promise<void> {
    const { index } = this.#tools;
    const notedBytes = (await index.getContent(digest))?.sizeBytes ?? sizeBytes;
    if (notedBytes === sizeBytes) return;
    const { repair } = this.#options;
    if (repair) await index.putContent(digest, sizeBytes, usedAtMs);
    this.#options.found({ kind: 'wrong size', digest, sizeBytes, notedBytes }, repair);
  }
}
