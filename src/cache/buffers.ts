/** What is read from disk, and written to a client, at a time: the fewer system calls, the faster a hit. */
export const largeBufferBytes = 1024 * 1024;
/** When many read at once, each gets less: then it is the machine that is busy, and no longer the calls that count. */
export const smallBufferBytes = 64 * 1024;

const maxLargeCount = 24; // two for each of twelve readers; so all large buffers together are 24 MiB
const keepSmallCount = 128;

/**
 * Buffers that readers use in turn, so that serving makes no garbage, and that its memory hardly grows with the number
 * of clients.
 */
export class BufferPool {
  readonly #large: Buffer[] = [];
  readonly #small: Buffer[] = [];
  #largeCount = 0;

  /** A buffer, large or small; its bytes are anything. */
  take(): Buffer {
    const free = this.#large.pop();
    if (free) return free;
    if (this.#largeCount >= maxLargeCount) return this.#small.pop() ?? Buffer.allocUnsafeSlow(smallBufferBytes);
    this.#largeCount++;
    return Buffer.allocUnsafeSlow(largeBufferBytes);
  }

  /** Gives a buffer back, once. */
  give(buffer: Buffer): void {
    if (buffer.length === largeBufferBytes) this.#large.push(buffer);
    else if (this.#small.length < keepSmallCount) this.#small.push(buffer);
  }
}
