import type { Log } from '../../../util/log/log.ts';

/** What tells how full the disk is. */
export interface DiskNeedTools {
  readonly log: Log;
  /** How much of the file system that the blobs are on is free. */
  freeBytes(): Promise<number>;
}

/** How much of the disk has to be free: what always is, and what is wanted beyond that. */
export class DiskNeed {
  readonly #minFreeBytes: number;
  readonly #tools: DiskNeedTools;
  /** How much those want who wait for it. */
  readonly #wanted = new Set<{ readonly sizeBytes: number }>();

  /** @param minFreeBytes 0 for not looking */
  constructor(minFreeBytes: number, tools: DiskNeedTools) {
    this.#minFreeBytes = minFreeBytes;
    this.#tools = tools;
  }

  /** Wants so much beyond what stays free, until what it gives is called. */
  want(sizeBytes: number): () => void {
    const wanted = { sizeBytes };
    this.#wanted.add(wanted);
    return () => void this.#wanted.delete(wanted);
  }

  /** How much is missing to what should be free. */
  async missingBytes(): Promise<number> {
    if (this.#minFreeBytes === 0) return 0;
    const wantedBytes = Math.max(0, ...[...this.#wanted].map(({ sizeBytes }) => sizeBytes));
    try {
      return Math.max(0, this.#minFreeBytes + wantedBytes - (await this.#tools.freeBytes()));
    } catch (error) {
      this.#tools.log.error({ reason: (error as Error).message }, 'free space cannot be told');
      return 0;
    }
  }
}
