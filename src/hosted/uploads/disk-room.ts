import { RegistryError } from '../../oci/errors.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';

/** What tells how full the disk is. */
export interface DiskRoomTools {
  /** How much of the file system that uploads are on is free. */
  freeBytes(): Promise<number>;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}

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
  #askedAtMs = Number.NEGATIVE_INFINITY;

  /** @param minFreeBytes 0 for not looking */
  constructor(minFreeBytes: number, tools: DiskRoomTools) {
    this.#minFreeBytes = minFreeBytes;
    this.#tools = tools;
  }

  /** Sees that there is room for so much more. @throws as `take` */
  async check(sizeBytes: number): Promise<void> {
    (await this.take(sizeBytes)).release();
  }

  /**
   * Takes room for so many bytes; for what comes bit by bit when that is not known.
   * @throws RegistryError UNAVAILABLE, status 507, when the disk would be too full
   */
  async take(sizeBytes: number | undefined): Promise<DiskShare> {
    if (this.#minFreeBytes === 0) return { use: () => undefined, release() {} };
    let leftBytes = sizeBytes ?? 0;
    await this.#takeMore(leftBytes);
    const spend = (usedBytes: number) => {
      leftBytes -= usedBytes;
      this.#takenBytes -= usedBytes;
      this.#freeBytes -= usedBytes;
    };
    return {
      use: (usedBytes) => {
        if (usedBytes <= leftBytes) return void spend(usedBytes);
        const moreBytes = Math.max(usedBytes, stepBytes);
        return this.#takeMore(moreBytes).then(() => {
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

  async #takeMore(sizeBytes: number): Promise<void> {
    const { clock, freeBytes, log } = this.#tools;
    const nowMs = clock.now();
    if (Math.abs(nowMs - this.#askedAtMs) >= believeMs) {
      try {
        this.#freeBytes = await freeBytes();
        this.#askedAtMs = nowMs;
      } catch (error) {
        log.error({ reason: (error as Error).message }, 'free space cannot be told');
        this.#takenBytes += sizeBytes; // the system will say itself when it is full
        return;
      }
    }
    const leftBytes = this.#freeBytes - this.#takenBytes - sizeBytes;
    if (leftBytes < this.#minFreeBytes) throw diskFull();
    this.#takenBytes += sizeBytes;
  }
}

/** That bytes cannot be kept for want of disk: 507, which clients take for a fault of the server that may pass. */
export function diskFull(cause?: unknown): RegistryError {
  const what =
    'Cannot take more bytes: the disk of the registry is full, or would have less free than cache.minFreeBytes';
  return new RegistryError('UNAVAILABLE', `${what}; make room there, or try again later`, { status: 507, cause });
}
