import { unlessAborted } from './single-flight.ts';

/** A lock by its name, which several may hold at a time, or one alone. */
export interface NamedLock {
  readonly name: string;
  readonly shared: boolean;
}

interface Waiter {
  readonly shared: boolean;
  grant(): void;
}

interface Lock {
  holders: number;
  isShared: boolean;
  /** Whoever came first is next, also before those who could join at once: nobody waits for ever. */
  readonly waiting: Waiter[];
}

/** Locks within this process. A lock that nobody holds takes no memory. */
export class SharedLocks {
  readonly #locks = new Map<string, Lock>();

  /**
   * Runs work while it holds all of the locks. They are taken in the order of their names, whatever order they are given
   * in, so that no two wait for each other. A name is given once.
   * @throws the signal's reason, when it fires before the locks are held
   */
  async run<T>(locks: readonly NamedLock[], signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const held: NamedLock[] = [];
    try {
      for (const lock of [...locks].sort((a, b) => (a.name < b.name ? -1 : 1))) {
        await this.#take(lock, signal);
        held.push(lock);
      }
      return await work();
    } finally {
      for (const { name } of held) this.#release(name);
    }
  }

  async #take({ name, shared }: NamedLock, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const lock = this.#locks.get(name) ?? { holders: 0, isShared: shared, waiting: [] };
    this.#locks.set(name, lock);
    const isFree = lock.holders === 0 || (shared && lock.isShared && lock.waiting.length === 0);
    if (isFree) return hold(lock, shared);
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { shared, grant: resolve };
    lock.waiting.push(waiter);
    try {
      await unlessAborted(promise, signal);
    } catch (error) {
      this.#leave(name, lock, waiter);
      throw error;
    }
  }

  /** Gives up waiting; a lock that was granted at the same moment is given back. */
  #leave(name: string, lock: Lock, waiter: Waiter): void {
    const place = lock.waiting.indexOf(waiter);
    if (place < 0) return this.#release(name);
    lock.waiting.splice(place, 1);
    this.#grantNext(name, lock); // those behind may join those who hold it
  }

  #release(name: string): void {
    const lock = this.#locks.get(name)!;
    lock.holders--;
    this.#grantNext(name, lock);
  }

  #grantNext(name: string, lock: Lock): void {
    for (let next = lock.waiting[0]; next; next = lock.waiting[0]) {
      if (lock.holders > 0 && !(next.shared && lock.isShared)) return;
      lock.waiting.shift();
      hold(lock, next.shared);
      next.grant();
    }
    if (lock.holders === 0) this.#locks.delete(name);
  }
}

function hold(lock: Lock, shared: boolean): void {
  lock.holders++;
  lock.isShared = shared;
}
