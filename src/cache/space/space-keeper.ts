import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { unlessAborted } from '../../util/locks/single-flight.ts';
import type { Clock } from '../../util/time/clock.ts';
import type { ContentInUse } from '../content/in-use.ts';
import type { UseRecorder } from '../uses.ts';
import { couldGo } from './prospect.ts';
import { Removal, type RemovalTools } from './removal/removal.ts';
import { DiskNeed } from './rooms/disk-need.ts';
import { makeRoom, type RemovalReason } from './rooms/room-making.ts';
import { Rooms } from './rooms/rooms.ts';
import { WaitingLine } from './rooms/waiting-line.ts';
import type { Room, Space } from './space.ts';

/** How much space the cache may take, and for how long. */
export interface SpaceLimits {
  readonly maxBytes: number;
  /** Above this part of `maxBytes` room is made, down to the low one. */
  readonly highWatermark: number;
  readonly lowWatermark: number;
  readonly maxAgeMs: number | undefined;
  /** How much of the file system is left free; 0 for not looking. */
  readonly minFreeBytes: number;
  readonly graceMs: number;
}

/** Is told what becomes of the space. It must not throw. */
export interface SpaceObserver {
  removed(reason: RemovalReason, contents: number, sizeBytes: number): void;
  /** Content was not kept, as no room could be made. */
  notKept(sizeBytes: number): void;
  /** A run is over. */
  ran(): void;
}

/** What the keeper of the space works with. */
export interface SpaceTools extends RemovalTools {
  readonly index: Pick<MetadataIndex, 'totals' | 'listLeastRecentlyUsed'> & RemovalTools['index'];
  readonly uses: Pick<UseRecorder, 'flush'>;
  readonly inUse: Pick<ContentInUse, 'has'>;
  readonly clock: Clock;
  readonly observer: SpaceObserver;
  /** How much of the file system that the blobs are on is free. */
  freeBytes(): Promise<number>;
}

/** How often it is looked for what is too old, and for a disk that is too full. */
const lookEveryMs = 60_000;

/** When nothing more could go, it is not tried for so long again: each try looks at everything that is stored. */
const pauseMs = 10_000;

const noPause = { sinceMs: Number.NEGATIVE_INFINITY, fromBytes: 0 };

/** One line for so long says that content is not kept; each pull would be one otherwise. */
const warnEveryMs = 60_000;

/**
 * Keeps the cache within its size. Room is taken before content is stored, and when there is none, or little is left,
 * one run at a time makes some. Who waits for room has it as soon as there is enough, and does not wait for the end.
 */
export class SpaceKeeper implements Space {
  readonly #limits: SpaceLimits;
  readonly #tools: SpaceTools;
  readonly #removal: Removal;
  readonly #rooms: Rooms;
  readonly #end = new AbortController();
  readonly #waiting = new WaitingLine();
  readonly #disk: DiskNeed;
  #running: Promise<void> | undefined;
  #looking: Promise<void> | undefined;
  /** Since when, and for how much, no room is made: it was in vain. */
  #pause = noPause;
  /** Whether more was stored while a run was under way, which may not have been for that. */
  #lookAgain = false;
  #warnedAtMs = Number.NEGATIVE_INFINITY;

  constructor(limits: SpaceLimits, tools: SpaceTools) {
    this.#limits = limits;
    this.#tools = tools;
    this.#removal = new Removal(tools);
    this.#disk = new DiskNeed(limits.minFreeBytes, tools);
    this.#rooms = new Rooms(tools.index, limits.maxBytes, () => void this.#runWhenHigh());
  }

  get maxBytes(): number {
    return this.#limits.maxBytes;
  }

  /** Begins to look after the space by itself: at once, as the limits may have changed, and every minute. */
  start(): void {
    this.#looking = this.#look().catch(() => {}); // it was closed
  }

  /** Looks at once: the index was told of content that was stored before, and that no room was taken for. */
  refilled(): void {
    this.#pause = noPause; // what was stored before may go, though all else may not
    void this.#runWhenHigh();
  }

  /** Ends what is under way, between two steps; whoever waits for room gets none. */
  async close(): Promise<void> {
    this.#end.abort(new Error('The cache is being stopped'));
    await Promise.all([this.#looking, this.settled()]);
  }

  /** Resolves when no run is under way. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running;
  }

  removed(digest: Digest): Promise<void> {
    return this.#removal.settled(digest);
  }

  /** Removes contents that nobody needs, but for those that are in use now; gives what went. */
  removeUnused(digests: readonly Digest[]): Promise<readonly Digest[]> {
    return this.#removal.remove(digests.filter((digest) => !this.#tools.inUse.has(digest)));
  }

  async reserve(digest: Digest, sizeBytes: number, signal: AbortSignal): Promise<Room | undefined> {
    await unlessAborted(this.removed(digest), signal);
    let reason = 'nothing more may be removed';
    try {
      const room = (await this.#rooms.take(sizeBytes)) ?? (await this.#waitForRoom(sizeBytes, signal));
      if (room) return room;
    } catch (error) {
      signal.throwIfAborted();
      reason = (error as Error).message;
    }
    this.#tellNotKept(digest, sizeBytes, reason);
    return undefined;
  }

  passedOn(digest: Digest, sizeBytes: number): void {
    this.#tellNotKept(digest, sizeBytes, 'it is larger than the whole cache');
  }

  /**
   * Makes so much free on the disk, beyond what stays free, if cached content is what it is full of: a push is worth more.
   * Of several who ask, each asks for the others, too. Whether it was enough, the file system tells.
   */
  async freeDisk(sizeBytes: number, signal: AbortSignal): Promise<void> {
    if (this.#isPaused(sizeBytes)) return;
    const end = this.#disk.want(sizeBytes);
    try {
      // Though all of it went that would not be enough, so none should.
      if ((await this.#disk.missingBytes()) > (await this.#tools.index.totals()).sizeBytes) return;
      await unlessAborted(this.settled(), signal); // what a run is for, it finds out as it begins
      await unlessAborted(this.#run(), signal);
    } finally {
      end();
    }
  }

  async #look(): Promise<void> {
    const { maxAgeMs, minFreeBytes } = this.#limits;
    await this.#runWhenHigh();
    while (maxAgeMs !== undefined || minFreeBytes > 0) {
      await this.#run();
      await this.#tools.clock.sleep(lookEveryMs, this.#end.signal);
    }
  }

  async #waitForRoom(sizeBytes: number, signal: AbortSignal): Promise<Room | undefined> {
    // Beside what others have taken room for just now it could not be stored, though all the rest went.
    if (sizeBytes > this.maxBytes - this.#rooms.takenBytes || this.#isPaused(sizeBytes)) return undefined;
    return this.#waiting.wait(sizeBytes, signal, () => void this.#run());
  }

  async #runWhenHigh(): Promise<void> {
    if (this.#running) this.#lookAgain = true;
    if (this.#running || this.#isPaused(0)) return;
    try {
      if (await this.#isHigh()) await this.#run();
    } catch (error) {
      this.#tellFailed(error as Error);
    }
  }

  async #isHigh(): Promise<boolean> {
    const { sizeBytes } = await this.#tools.index.totals();
    return sizeBytes > this.maxBytes * this.#limits.highWatermark;
  }

  #isPaused(sizeBytes: number): boolean {
    const { sinceMs, fromBytes } = this.#pause;
    return sizeBytes >= fromBytes && Math.abs(this.#tools.clock.now() - sinceMs) < pauseMs;
  }

  #run(): Promise<void> {
    this.#running ??= this.#makeRoom()
      .catch((error: Error) => {
        this.#tellFailed(error);
        this.#waiting.refuseAll();
      })
      .finally(() => {
        this.#running = undefined;
        this.#tools.observer.ran();
        const lookAgain = this.#lookAgain;
        this.#lookAgain = false;
        if (!this.#waiting.isEmpty)
          void this.#run(); // they came too late for this one
        else if (lookAgain) void this.#runWhenHigh();
      });
    return this.#running;
  }

  async #makeRoom(): Promise<void> {
    const { observer, clock, log } = this.#tools;
    let isFull = await this.#isHigh();
    const goal = {
      diskBytes: await this.#disk.missingBytes(),
      excessBytes: async () => {
        await this.#refuseInVain();
        isFull ||= !this.#waiting.isEmpty; // and so until the low watermark, though they have their room before
        return isFull ? this.#excessBytes() : 0;
      },
      removed: observer.removed.bind(observer),
      isUrgent: () => !this.#waiting.isEmpty,
      stepped: async () => {
        await this.#waiting.answer((sizeBytes) => this.#rooms.take(sizeBytes));
        return this.#waiting.isEmpty;
      },
    };
    const tools = { ...this.#tools, removal: this.#removal, limits: this.#limits };
    const { isEnough, contents, bytes } = await makeRoom(tools, goal, this.#end.signal);
    this.#waiting.refuseAll();
    if (!isEnough) this.#pause = { sinceMs: clock.now(), fromBytes: 0 };
    if (contents > 0) log.info({ contents, bytes }, 'room made');
  }

  /** Refuses whoever is first in line and could not be given room though everything went that may: so nothing goes. */
  async #refuseInVain(): Promise<void> {
    const { index, inUse, clock } = this.#tools;
    const limits = { graceMs: this.#limits.graceMs, isKept: (digest: Digest) => inUse.has(digest) };
    for (let { first } = this.#waiting; first && !first.canFit; { first } = this.#waiting) {
      const { sizeBytes } = await index.totals();
      const neededBytes = sizeBytes + this.#rooms.takenBytes + first.sizeBytes - this.maxBytes;
      first.canFit = await couldGo(neededBytes, index, limits, clock, this.#end.signal);
      if (!first.canFit && this.#waiting.refuse(first)) {
        this.#pause = { sinceMs: clock.now(), fromBytes: first.sizeBytes };
      }
    }
  }

  /** How much is stored beyond the low watermark, and beyond what leaves room for the first who waits. */
  async #excessBytes(): Promise<number> {
    const { sizeBytes } = await this.#tools.index.totals();
    const first = this.#waiting.first?.sizeBytes ?? 0;
    const forFirst = this.maxBytes - this.#rooms.takenBytes - first;
    return sizeBytes - Math.min(this.maxBytes * this.#limits.lowWatermark, forFirst);
  }

  #tellNotKept(digest: Digest, sizeBytes: number, reason: string): void {
    const { clock, log, observer } = this.#tools;
    observer.notKept(sizeBytes);
    if (Math.abs(clock.now() - this.#warnedAtMs) < warnEveryMs) return;
    this.#warnedAtMs = clock.now();
    log.warn({ digest, sizeBytes, maxBytes: this.maxBytes, reason }, 'no room to keep content');
  }

  #tellFailed(error: Error): void {
    if (!this.#end.signal.aborted) this.#tools.log.error({ reason: error.message }, 'room cannot be made');
  }
}
