/**
 * A block of memory that answers are read into. It is shared memory, so that another thread can hash the bytes where
 * they lie. It is counted: who adds to `users` gives it back by `release`.
 */
export interface Block {
  readonly buffer: Buffer;
  users: number;
}

/**
 * How much one read from a socket can take at most. Large enough that system calls do not count, small enough that the
 * bytes are still in the processor's cache when they are hashed and written.
 */
export const blockBytes = 256 * 1024;

/** Blocks that are used again, by any number of answers. */
export class BlockPool {
  readonly #free: Block[] = [];
  readonly #keepCount: number;

  /** @param keepCount how many unused blocks are kept; more are left to the garbage collector */
  constructor(keepCount = 32) {
    this.#keepCount = keepCount;
  }

  /** A block with one user. */
  take(): Block {
    const block = this.#free.pop() ?? { buffer: Buffer.from(new SharedArrayBuffer(blockBytes)), users: 0 };
    block.users = 1;
    return block;
  }

  /** Ends one use of a block; true when it was the last. */
  release(block: Block): boolean {
    if (--block.users > 0) return false;
    if (this.#free.length < this.#keepCount) this.#free.push(block);
    return true;
  }
}
