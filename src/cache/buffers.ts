/**
 * How much is read from disk, and written to a client, at a time: larger buffers make no fewer copies, only more
 * memory per client; smaller ones make more system calls.
 */
export const readBufferBytes = 256 * 1024;

const keepCount = 64; // unused buffers: two for each of 32 readers

/** Buffers that readers use in turn, so that serving many clients makes no garbage. */
export class BufferPool {
  readonly #free: Buffer[] = [];

  /** A buffer of `readBufferBytes`; its bytes are anything. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(readBufferBytes);
  }

  /** Gives a buffer back. */
  give(buffer: Buffer): void {
    if (this.#free.length < keepCount) this.#free.push(buffer);
  }
}
