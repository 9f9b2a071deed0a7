/**
 * A block of memory that answers are read into. It is shared memory, so that another thread can hash the bytes where
 * they lie. It is counted: who adds to `users` gives it back by `release`.
 */
export interface Block {
  readonly buffer: Buffer;
  users: number;
}

/** What is gathered before it is handed on: the larger, the fewer times threads have to wake each other. */
export const largeBlockBytes = 1024 * 1024;
/** When many bodies come at once, each gets less, so that the memory of many downloads stays bounded. */
export const smallBlockBytes = 128 * 1024;

const maxLargeCount = 16; // four for each of four downloads; so all large blocks together are 16 MiB
const keepSmallCount = 64;

/** Blocks that are used again, by any number of answers. */
export class BlockPool {
  readonly #large: Block[] = [];
  readonly #small: Block[] = [];
  #largeCount = 0;

  /** A block, large or small, with one user. */
  take(): Block {
    const block = this.#large.pop() ?? this.#make();
    block.users = 1;
    return block;
  }

  /** Ends one use of a block; true when it was the last. */
  release(block: Block): boolean {
    if (--block.users > 0) return false;
    if (block.buffer.length === largeBlockBytes) this.#large.push(block);
    else if (this.#small.length < keepSmallCount) this.#small.push(block);
    return true;
  }

  #make(): Block {
    if (this.#largeCount >= maxLargeCount) return this.#small.pop() ?? newBlock(smallBlockBytes);
    this.#largeCount++;
    return newBlock(largeBlockBytes);
  }
}

function newBlock(sizeBytes: number): Block {
  return { buffer: Buffer.from(new SharedArrayBuffer(sizeBytes)), users: 0 };
}
