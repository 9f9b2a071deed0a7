import { diskFull } from '../disk-failure.ts';
import type { HostedTools } from '../tools.ts';

/** What tells how full the disk is. */
export interface DiskRoomTools extends Pick<HostedTools, 'freeBytes' | 'freeDisk' | 'clock' | 'log'> {
  /** How much is cached: what `freeDisk` could free at most. */
  cachedBytes(): Promise<number>;
}

/** Room on the disk for bytes that come. It is released once. */
export interface DiskShare {
  /**
   * Takes room for bytes that are here and will be written, and for as many more as have come before.
   * @throws RegistryError UNAVAILABLE, status 507, when the disk would be too full
   */
  use(sizeBytes: number): Promise<void> | undefined;
  release(): void;
}

/** Who has sent much takes so much ahead, so that room need not be made for each piece. */
const maxAheadBytes = 256 * 1024 * 1024;

/** What the system said holds for so long, but for what was written since: small pushes need not ask for each. */
const believeMs = 1_000;

/**
 * Keeps some of the disk free. An upload that would leave less is refused: before it is sent, when there could be no room
 * for it though all went that is cached; and before the disk is full for all others. What is only announced takes no
 * room, else a client could empty the cache by promises.
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

  /**
   * Sees that there could be room for so much more.
   * @throws RegistryError UNAVAILABLE, status 507, when there could not
   */
  async check(sizeBytes: number, signal: AbortSignal): Promise<void> {
    if (this.#minFreeBytes > 0 && !(await this.#told(() => this.#couldHave(sizeBytes), signal))) throw diskFull();
  }

  /** Begins to take room for bytes that come bit by bit, of `sizeBytes` in all when that is known. */
  take(sizeBytes: number | undefined, signal: AbortSignal): DiskShare {
    if (this.#minFreeBytes === 0) return { use: () => undefined, release() {} };
    let leftBytes = 0;
    let usedBytes = 0;
    const spend = (spentBytes: number) => {
      leftBytes -= spentBytes;
      usedBytes += spentBytes;
      this.#takenBytes -= spentBytes;
      this.#freeBytes -= spentBytes;
    };
    const takeMore = async (neededBytes: number) => {
      const comingBytes = (sizeBytes ?? Number.POSITIVE_INFINITY) - usedBytes;
      const wantedBytes = Math.max(neededBytes, Math.min(usedBytes, maxAheadBytes, comingBytes));
      leftBytes += await this.#takeMore(wantedBytes, neededBytes, signal);
      spend(neededBytes);
    };
    return {
      use: (nextBytes) => (nextBytes <= leftBytes ? void spend(nextBytes) : takeMore(nextBytes)),
      release: () => {
        this.#takenBytes -= leftBytes;
        leftBytes = 0;
      },
    };
  }

  /** Takes what is wanted or, if there is not so much, what is needed; gives how much. */
  async #takeMore(wantedBytes: number, neededBytes: number, signal: AbortSignal): Promise<number> {
    for (const sizeBytes of new Set([wantedBytes, neededBytes])) {
      this.#takenBytes += sizeBytes; // first of all, so that those who come meanwhile ask for more
      try {
        if (await this.#told(() => this.#canHave(signal), signal)) return sizeBytes;
      } catch (error) {
        this.#takenBytes -= sizeBytes;
        throw error;
      }
      this.#takenBytes -= sizeBytes;
    }
    throw diskFull();
  }

  /** Whether there is room for all that was taken, for which some is made. */
  async #canHave(signal: AbortSignal): Promise<boolean> {
    await this.#look();
    if (this.#isEnough(0)) return true;
    await this.#tools.freeDisk(this.#takenBytes, signal);
    await this.#lookAgain();
    return this.#isEnough(0);
  }

  /** Whether there is room for so much beside all that was taken, or could be made. */
  async #couldHave(sizeBytes: number): Promise<boolean> {
    await this.#look();
    if (this.#isEnough(sizeBytes)) return true;
    await this.#lookAgain();
    return this.#isEnough(sizeBytes - (await this.#tools.cachedBytes()));
  }

  #isEnough(moreBytes: number): boolean {
    return this.#freeBytes >= this.#minFreeBytes + this.#takenBytes + moreBytes;
  }

  /** The answer; when it cannot be told it is as if there were room: the system will say itself when it is full. */
  async #told(answer: () => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
    try {
      return await answer();
    } catch (error) {
      signal.throwIfAborted();
      this.#tools.log.error({ reason: (error as Error).message }, 'free space cannot be told');
      return true;
    }
  }

  async #lookAgain(): Promise<void> {
    this.#lookedAtMs = Number.NEGATIVE_INFINITY;
    await this.#look();
  }

  async #look(): Promise<void> {
    const nowMs = this.#tools.clock.now();
    if (Math.abs(nowMs - this.#lookedAtMs) < believeMs) return;
    this.#freeBytes = await this.#tools.freeBytes();
    this.#lookedAtMs = nowMs;
  }
}
