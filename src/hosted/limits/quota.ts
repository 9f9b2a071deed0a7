import type { HostedIndex } from '../../index/hosted-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';

/** A part of the quota, taken for content until the index counts it. Releasing it again does nothing. */
export interface QuotaShare {
  release(): void;
}

interface Pending {
  readonly sizeBytes: number;
  takers: number;
}

/**
 * Keeps what the hosted repositories hold within a size. A share is taken before content is noted, so that pushes at the
 * same time do not exceed it together.
 */
export class Quota {
  readonly #maxBytes: number | undefined;
  readonly #index: Pick<HostedIndex, 'hostedTotals' | 'listHolders'>;
  /** What shares were taken for: of one digest only one, as it counts once. */
  readonly #pending = new Map<Digest, Pending>();
  #pendingBytes = 0;
  #releases = 0;

  /** @param maxBytes undefined for no limit: then nobody is asked anything */
  constructor(maxBytes: number | undefined, index: Pick<HostedIndex, 'hostedTotals' | 'listHolders'>) {
    this.#maxBytes = maxBytes;
    this.#index = index;
  }

  /** Sees that so much more could be held now, unless its digest is known and it is held already. @throws RegistryError DENIED */
  async check(sizeBytes: number, digest?: Digest): Promise<void> {
    if (this.#maxBytes === undefined || (digest !== undefined && (await this.#isHeld(digest)))) return;
    const held = (await this.#heldBytes()) + this.#pendingBytes;
    // One that is full already takes not even an upload of which nothing is known.
    if (held + Math.max(1, sizeBytes) > this.#maxBytes) throw exceeded(this.#maxBytes, held, sizeBytes);
  }

  /** Takes a share for content; what is held already needs none. @throws RegistryError DENIED */
  async take(digest: Digest, sizeBytes: number): Promise<QuotaShare> {
    if (this.#maxBytes === undefined || (await this.#isHeld(digest))) return { release() {} };
    const heldBytes = this.#pending.has(digest) ? 0 : await this.#heldBytes();
    const pending = this.#pending.get(digest);
    if (pending) pending.takers++;
    else {
      const held = heldBytes + this.#pendingBytes;
      if (held + sizeBytes > this.#maxBytes) throw exceeded(this.#maxBytes, held, sizeBytes);
      this.#pending.set(digest, { sizeBytes, takers: 1 });
      this.#pendingBytes += sizeBytes;
    }
    let taken = true;
    return {
      release: () => {
        if (taken) this.#release(digest);
        taken = false;
      },
    };
  }

  #release(digest: Digest): void {
    const pending = this.#pending.get(digest)!;
    if (--pending.takers > 0) return;
    this.#pending.delete(digest);
    this.#pendingBytes -= pending.sizeBytes;
    this.#releases++;
  }

  /** What the index counts, at a moment since which no share was given back: else some would be counted nowhere. */
  async #heldBytes(): Promise<number> {
    for (;;) {
      const releases = this.#releases;
      const { sizeBytes } = await this.#index.hostedTotals();
      if (releases === this.#releases) return sizeBytes;
    }
  }

  async #isHeld(digest: Digest): Promise<boolean> {
    const [holder] = await this.#index.listHolders(digest, 1); // hosted ones come first
    return holder?.registry === hostedRegistryName;
  }
}

function exceeded(maxBytes: number, heldBytes: number, sizeBytes: number): RegistryError {
  const what = `Cannot take ${sizeBytes} bytes more: the quota of ${maxBytes} bytes (hosted.maxBytes) has ${heldBytes} taken`;
  return new RegistryError('DENIED', `${what}; delete images, or let a larger quota be configured`, {
    detail: { maxBytes, heldBytes, sizeBytes },
  });
}
