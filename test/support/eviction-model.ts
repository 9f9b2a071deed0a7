import type { Digest } from '../../src/oci/digest.ts';

/** Content that the model knows: what it references is kept while it is. */
export interface ModelContent {
  readonly digest: Digest;
  readonly kind: 'index' | 'image' | 'blob';
  readonly sizeBytes: number;
  readonly references: readonly Digest[];
}

/** What the model keeps to. */
export interface ModelLimits {
  readonly maxBytes: number;
  readonly highWatermark: number;
  readonly lowWatermark: number;
  readonly maxAgeMs: number;
  readonly graceMs: number;
}

interface Stored {
  readonly content: ModelContent;
  readonly storedAtMs: number;
  usedAtMs: number;
}

const pauseMs = 10_000;
const ranks = { index: 0, image: 1, blob: 2 };

/** The cache's space as its rules say it, without a thought for speed: one content goes after the other. */
export class EvictionModel {
  readonly stored = new Map<Digest, Stored>();
  readonly pinned = new Set<Digest>();
  readonly inUse = new Set<Digest>();
  nowMs: number;
  readonly #limits: ModelLimits;
  #pause = { sinceMs: Number.NEGATIVE_INFINITY, fromBytes: 0 };

  constructor(limits: ModelLimits, nowMs: number) {
    this.#limits = limits;
    this.nowMs = nowMs;
  }

  get totalBytes(): number {
    return [...this.stored.values()].reduce((sum, { content }) => sum + content.sizeBytes, 0);
  }

  /** Everything that is stored, what goes first before what goes later. */
  get inOrder(): Stored[] {
    return [...this.stored.values()].sort(
      (a, b) =>
        a.usedAtMs - b.usedAtMs ||
        ranks[a.content.kind] - ranks[b.content.kind] ||
        (a.content.digest < b.content.digest ? -1 : 1),
    );
  }

  /** Pulls content: it is used, and stored if it is not and there is room. */
  pull(content: ModelContent): void {
    if (this.stored.has(content.digest)) return this.#use(content.digest);
    if (!this.#hasRoomFor(content.sizeBytes)) return;
    this.stored.set(content.digest, { content, storedAtMs: this.nowMs, usedAtMs: this.nowMs });
    this.#use(content.digest);
    if (!this.#isPaused(0) && this.#isHigh) this.evict();
  }

  /** Removes what is too old, and what is too much, so that there is room for so many bytes more. */
  evict(forBytes?: number): void {
    const { maxBytes, lowWatermark } = this.#limits;
    const isFull = forBytes !== undefined || this.#isHigh;
    const goalBytes = Math.min(maxBytes * lowWatermark, maxBytes - (forBytes ?? 0));
    const isTooMuch = () => isFull && this.totalBytes > goalBytes;
    for (;;) {
      const next = this.inOrder.find((stored) => this.#mayGo(stored));
      if (!next || !(isTooMuch() || this.nowMs - next.usedAtMs >= this.#limits.maxAgeMs)) break;
      this.stored.delete(next.content.digest);
    }
    if (isTooMuch()) this.#pause = { sinceMs: this.nowMs, fromBytes: 0 };
  }

  #hasRoomFor(sizeBytes: number): boolean {
    const { maxBytes } = this.#limits;
    if (this.totalBytes + sizeBytes <= maxBytes) return true;
    if (sizeBytes > maxBytes || this.#isPaused(sizeBytes)) return false;
    const isInVain = this.#bytesThatStay + sizeBytes > maxBytes;
    if (isInVain) this.#pause = { sinceMs: this.nowMs, fromBytes: sizeBytes };
    this.evict(isInVain ? undefined : sizeBytes);
    return this.totalBytes + sizeBytes <= maxBytes;
  }

  #isPaused(sizeBytes: number): boolean {
    return sizeBytes >= this.#pause.fromBytes && this.nowMs - this.#pause.sinceMs < pauseMs;
  }

  /** What would be left if everything went that may. */
  get #bytesThatStay(): number {
    const rest = new Map(this.stored);
    for (;;) {
      const next = [...rest.values()].find((stored) => this.#mayGo(stored, rest));
      if (!next) return [...rest.values()].reduce((sum, { content }) => sum + content.sizeBytes, 0);
      rest.delete(next.content.digest);
    }
  }

  get #isHigh(): boolean {
    return this.totalBytes > this.#limits.maxBytes * this.#limits.highWatermark;
  }

  #use(digest: Digest): void {
    const stored = this.stored.get(digest);
    if (!stored) return;
    stored.usedAtMs = this.nowMs;
    for (const reference of stored.content.references) this.#use(reference);
  }

  #mayGo({ content, storedAtMs }: Stored, among = this.stored): boolean {
    if (this.inUse.has(content.digest) || this.pinned.has(content.digest)) return false;
    if (this.nowMs - storedAtMs < this.#limits.graceMs) return false;
    return ![...among.values()].some((other) => other.content.references.includes(content.digest));
  }
}
