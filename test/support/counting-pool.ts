import { BufferPool } from '../../src/cache/content/reading/buffers.ts';

/** A pool that counts how many of its buffers are out, and were at most. */
export class CountingPool extends BufferPool {
  out = 0;
  maxOut = 0;

  override take(): Buffer {
    this.maxOut = Math.max(this.maxOut, ++this.out);
    return super.take();
  }

  override give(buffer: Buffer): void {
    this.out--;
    super.give(buffer);
  }
}
