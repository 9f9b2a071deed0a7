/** How many buffers there are of a size. */
interface Tier {
  readonly sizeBytes: number;
  readonly maxCount: number;
}

const kibibyte = 1024;

/**
 * What is gathered of an upload before it is written and hashed. The larger, the fewer calls; but when many push at once
 * each gets less, so that memory hardly grows with them: 16 MiB for eight with two buffers each, 32 MiB for forty, and
 * 128 KiB for each one more.
 */
const tiers: readonly Tier[] = [
  { sizeBytes: 1024 * kibibyte, maxCount: 16 },
  { sizeBytes: 256 * kibibyte, maxCount: 64 },
  { sizeBytes: 64 * kibibyte, maxCount: Number.POSITIVE_INFINITY },
];

const keepCount = 128; // of the smallest, of which there may be any number

/** Buffers in shared memory that uploads use in turn: threads hash what is in them where it lies. */
export class UploadBuffers {
  readonly #tiers = tiers.map((tier) => ({ ...tier, free: [] as Buffer[], count: 0 }));
  #takenBytes = 0;

  /** How much is taken. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** A buffer, the largest that is to be had; its bytes are anything. */
  take(): Buffer {
    const tier = this.#tiers.find(({ free, count, maxCount }) => free.length > 0 || count < maxCount)!;
    this.#takenBytes += tier.sizeBytes;
    const free = tier.free.pop();
    if (free) return free;
    tier.count++;
    return Buffer.from(new SharedArrayBuffer(tier.sizeBytes));
  }

  /** Gives a buffer back, once. */
  give(buffer: Buffer): void {
    this.#takenBytes -= buffer.length;
    const tier = this.#tiers.find(({ sizeBytes }) => sizeBytes === buffer.length)!;
    if (tier.maxCount === Number.POSITIVE_INFINITY && tier.free.length >= keepCount) tier.count--;
    else tier.free.push(buffer);
  }
}
