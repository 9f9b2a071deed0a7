/** How many buffers there are of a size. */
interface Tier {
  readonly sizeBytes: number;
  readonly maxCount: number;
}

const kibibyte = 1024;

/**
 * What is read from disk, and written to a client, at a time. The fewer system calls, the faster a hit; but when many
 * read at once each gets less, so that memory hardly grows with them: 16 MiB for eight readers with two buffers each,
 * 32 MiB for forty, and 128 KiB for each one more.
 */
export const bufferTiers: readonly Tier[] = [
  { sizeBytes: 1024 * kibibyte, maxCount: 16 },
  { sizeBytes: 256 * kibibyte, maxCount: 64 },
  { sizeBytes: 64 * kibibyte, maxCount: Number.POSITIVE_INFINITY },
];

/**
 * For whoever reads alone: a third faster than with 1 MiB. When eight read, and one of them has such buffers, the others
 * wait for it, and all together are a sixth slower.
 */
export const loneBuffers: Tier = { sizeBytes: 4096 * kibibyte, maxCount: 2 };

const keepCount = 128; // of the smallest, of which there may be any number

/**
 * Left unused in front of a buffer. malloc puts what is large 16 bytes behind the beginning of a page, and copying a
 * page of a file to there takes half as long again: the processor compares no more than the page offsets of addresses, and
 * takes the bytes that it loads next for those that it has just stored. Behind 48 bytes more, a line of its cache begins.
 */
const unusedBytes = 48;

/** Buffers that readers use in turn, so that serving makes no garbage. */
export class BufferPool {
  readonly #tiers = bufferTiers.map((tier) => ({ ...tier, free: [] as Buffer[], count: 0 }));
  readonly #lone = { ...loneBuffers, free: [] as Buffer[], count: 0 };
  #sharedOut = 0;

  /** A buffer, the largest that is to be had; its bytes are anything. */
  take(): Buffer {
    const candidates = this.#sharedOut === 0 ? [this.#lone, ...this.#tiers] : this.#tiers;
    const tier = candidates.find(({ free, count, maxCount }) => free.length > 0 || count < maxCount)!;
    if (tier !== this.#lone) this.#sharedOut++;
    const free = tier.free.pop();
    if (free) return free;
    tier.count++;
    return Buffer.allocUnsafeSlow(unusedBytes + tier.sizeBytes).subarray(unusedBytes);
  }

  /** Gives a buffer back, once. */
  give(buffer: Buffer): void {
    if (buffer.length === this.#lone.sizeBytes) {
      this.#lone.free.push(buffer);
      return;
    }
    this.#sharedOut--;
    const tier = this.#tiers.find(({ sizeBytes }) => sizeBytes === buffer.length)!;
    if (tier.maxCount === Number.POSITIVE_INFINITY && tier.free.length >= keepCount) tier.count--;
    else tier.free.push(buffer);
  }
}
