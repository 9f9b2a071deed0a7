import { diskFull } from '../disk-failure.ts';
import type { HostedTools } from '../tools.ts';

/** What tells how full the disk is. */
export type DiskRoomTools = Pick<HostedTools, 'freeBytes' | 'freeDisk' | 'clock' | 'log'>;

/** Room on the disk for bytes that are to come. It is released once. */
export interface DiskShare {
  /** Uses some of it, before it is written; takes more when it is used up. @throws as `DiskRoom.take` */
  use(sizeBytes: number): Promise<void> | undefined;
  release(): void;
}

/** Who does not say how much comes takes so much at a time. */
const stepBytes = 16 * 1024 * 1024;

/** What the system said holds for so long, but for what was written since: small pushes need not ask for each. */
const believeMs = 1_000;

/**
 * Keeps some of the disk free. An upload that would leave less is refused, if it can be before it is sent, and before
 * the disk is full for all others.
 */
export class DiskRoom {
  readonly #minFreeBytes: number;
  readonly #tools: DiskRoomTools;
  /** What was taken, and is not written yet. */
  #takenBytes = 0;
  #freeBytes = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  /** @param minFreeBytes 0 for not looking */
  constructor(minFreeBytes: number, tools: DiskRoomTools) {
    this.#minFreeBytes = minFreeBytes;
    this.#tools = tools;
  }

  /** Sees that there is room for so much more. @throws as `take` */
  async check(sizeBytes: number, signal: AbortSignal): Promise<void> {
    (await this.take(sizeBytes, signal)).release();
  }

  /**
   * Takes room for so many bytes; for what comes bit by bit when that is not known.
   * @throws RegistryError UNAVAILABLE, status 507, when the disk would be too full
   */
  async take(sizeBytes: number | undefined, signal: AbortSignal): Promise<DiskShare> {
    if (this.#minFreeBytes === 0) return { use: () => undefined, release() {} };
    let leftBytes = sizeBytes ?? 0;
    await this.#takeMore(leftBytes, signal);
    const spend = (usedBytes: number) => {
      leftBytes -= usedBytes;
      this.#takenBytes -= usedBytes;
      this.#freeBytes -= usedBytes;
    };
    return {
      use: (usedBytes) => {
        if (usedBytes <= leftBytes) return void spend(usedBytes);
        const moreBytes = Math.max(usedBytes, stepBytes);
        return this.#takeMore(moreBytes, signal).then(() => {
          leftBytes += moreBytes;
          spend(usedBytes);
        });
      },
      release: () => {
        this.#takenBytes -= leftBytes;
        leftBytes = 0;
      },
    };
  }

  async #takeMore(sizeBytes: number, signal: AbortSignal): Promise<void> {
    this.#takenBytes += sizeBytes; // first of all, so that those who come meanwhile ask for more
    try {
      if (!(await this.#isEnough(signal))) throw diskFull();
    } catch (error) {
      this.#takenBytes -= sizeBytes;
      throw error;
    }
  }

  async #isEnough(signal: AbortSignal): Promise<boolean> {
    const isEnough = () => this.#freeBytes >= this.#minFreeBytes + this.#takenBytes;
    try {
      await this.#look();
      if (isEnough()) return true;
      await this.#tools.freeDisk(this.#takenBytes, signal);
      this.#lookedAtMs = Number.NEGATIVE_INFINITY;
      await this.#look();
      return isEnough();
    } catch (error) {
      signal.throwIfAborted();
      this.#tools.log.error({ reason: (error as Error).message }, 'free space cannot be told');
      return true; // the system will say itself when it is full
    }
  }

  async #look(): Promise<void> {
    const nowMs = this.#tools.clock.now();
    if (Math.abs(nowMs - this.#lookedAtMs) < believeMs) return;
    this.#freeBytes = await this.#tools.freeBytes();
    this.#lookedAtMs = nowMs;
  }
}
