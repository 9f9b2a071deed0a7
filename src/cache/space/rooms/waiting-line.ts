import { unlessAborted } from '../../../util/locks/single-flight.ts';
import type { Room } from '../space.ts';

/** Somebody who waits for room. */
export interface Waiter {
  readonly sizeBytes: number;
  /** Whether there can be room for it, if enough goes; undefined until somebody looked. */
  canFit?: boolean;
}

type Answered = Waiter & { answer(room: Room | undefined): void };

/** Those who wait for room, in the order in which they came. */
export class WaitingLine {
  #waiting: readonly Answered[] = [];

  /** Whether nobody waits. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Who came first of those who wait. */
  get first(): Waiter | undefined {
    return this.#waiting[0];
  }

  /** Waits until there is room, or none is to be had. @throws the signal's reason */
  async wait(sizeBytes: number, signal: AbortSignal, began: () => void): Promise<Room | undefined> {
    const { promise, resolve } = Promise.withResolvers<Room | undefined>();
    const waiter: Answered = { sizeBytes, answer: resolve };
    this.#waiting = [...this.#waiting, waiter];
    began();
    try {
      return await unlessAborted(promise, signal);
    } catch (error) {
      if (!this.#end(waiter)) (await promise)?.release();
      throw error;
    }
  }

  /** Gives room to all for whom there is some by now. */
  async answer(take: (sizeBytes: number) => Promise<Room | undefined>): Promise<void> {
    for (const waiter of this.#waiting) {
      const room = await take(waiter.sizeBytes);
      if (room === undefined) continue;
      if (this.#end(waiter)) waiter.answer(room);
      else room.release();
    }
  }

  /** Refuses one; false when that one waits no more. */
  refuse(waiter: Waiter): boolean {
    const found = this.#waiting.find((other) => other === waiter);
    if (found === undefined) return false;
    this.#end(found);
    found.answer(undefined);
    return true;
  }

  /** Refuses everybody who waits. */
  refuseAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { answer } of waiting) answer(undefined);
  }

  /** False when the wait has ended already. */
  #end(waiter: Answered): boolean {
    const before = this.#waiting.length;
    this.#waiting = this.#waiting.filter((other) => other !== waiter);
    return this.#waiting.length < before;
  }
}
