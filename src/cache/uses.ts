import type { MetadataIndex, Use } from '../index/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import type { Clock } from '../util/time/clock.ts';

/** Uses are written together: each by itself would cost a hit more than all the rest of it. */
const flushAfterMs = 5_000;

/** Gathers what is pulled when, and writes it to the index now and then. A crash loses a few seconds of it. */
export class UseRecorder {
  readonly #index: MetadataIndex;
  readonly #clock: Clock;
  readonly #failed: (error: Error) => void;
  #uses = new Map<Digest, Use>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;

  /** @param failed is told when the index could not take them; they are lost then, and nothing else is */
  constructor(index: MetadataIndex, clock: Clock, failed: (error: Error) => void) {
    this.#index = index;
    this.#clock = clock;
    this.#failed = failed;
  }

  /** Notes that content was pulled now: from here, which is a hit, or for the first time, which is none. */
  record(digest: Digest, hits: 0 | 1 = 1): void {
    const before = this.#uses.get(digest)?.hits ?? 0;
    this.#uses.set(digest, { atMs: this.#clock.now(), hits: before + hits });
    this.#timer ??= setTimeout(() => void this.flush(), flushAfterMs).unref();
  }

  /** Writes what was gathered, after what is being written. It never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const written = this.#flushing ? this.#flushing.then(() => this.#write()) : this.#write();
    const flushing = written.finally(() => {
      if (this.#flushing === flushing) this.#flushing = undefined;
    });
    this.#flushing = flushing;
    return flushing;
  }

  async #write(): Promise<void> {
    const uses = this.#uses;
    if (uses.size === 0) return;
    this.#uses = new Map();
    try {
      await this.#index.recordUses(uses);
    } catch (error) {
      this.#failed(error as Error);
    }
  }
}
