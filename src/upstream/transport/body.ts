import type { Chunk } from '../../oci/registry.ts';
import type { Block, BlockPool } from './blocks.ts';
import { TransportError } from './errors.ts';
import type { Framing } from './framing.ts';

/** What a body asks of the connection that it comes from. */
export interface BodySource {
  pause(): void;
  resume(): void;
  /** The body is whole: the connection is free. */
  finished(): void;
  /** The body is not wanted any more, or cannot be read on: the connection is of no use. */
  abandon(): void;
}

/** How many blocks one body may fill that nobody has released yet: enough for reading, hashing and writing at once. */
const maxBlocksPerBody = 4;
/** A block with less room than this is not read into any further, as the reads would become small. */
const minRoomBytes = 32 * 1024;

interface Region {
  readonly block: Block;
  readonly start: number;
  end: number;
}

/**
 * The body of an answer. The connection reads into `room()` and says how much by `received()`; the reader takes chunks
 * by `next()`. What comes in one turn of the event loop, or while the reader is busy, is gathered into one chunk, as
 * far as the block goes. When all its blocks are in use, the connection pauses: memory per body is bounded, whatever
 * the two sides' speeds.
 */
export class Body {
  readonly lengthBytes: number | undefined;
  readonly #source: BodySource;
  readonly #pool: BlockPool;
  readonly #framing: Framing;
  readonly #ready: Region[] = [];
  #block: Block | undefined;
  #fill = 0;
  #blocksInUse = 0;
  #paused = false;
  #ended = false;
  #closed = false;
  #error: Error | undefined;
  #flush: NodeJS.Immediate | undefined;
  #over: (() => void) | undefined;
  #waiting: { resolve(chunk: Chunk | undefined): void; reject(error: Error): void } | undefined;

  constructor(framing: Framing, pool: BlockPool, source: BodySource) {
    this.#framing = framing;
    this.lengthBytes = framing.lengthBytes;
    this.#pool = pool;
    this.#source = source;
  }

  /** Whether the reader, not the server, is what the body waits for. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Has a function called when nothing more comes from the server: all came, it broke, or it was closed. */
  whenOver(over: () => void): void {
    if (this.#ended || this.#closed) over();
    else this.#over = over;
  }

  /** Ends a body that has no bytes at all. */
  begin(): void {
    if (this.#framing.done) this.#finish();
  }

  /** Where the next bytes from the connection go; never empty while the body is not whole. */
  room(): Buffer {
    this.#block ??= this.#take();
    return this.#block.buffer.subarray(this.#fill);
  }

  /** Takes the first `count` bytes of what `room()` gave. */
  received(count: number): void {
    if (this.#closed || this.#ended) return;
    const block = this.#block!;
    let end: number;
    try {
      end = this.#framing.decode(block.buffer, this.#fill, this.#fill + count);
    } catch (error) {
      return this.fail(error as Error);
    }
    this.#append(block, this.#fill, end);
    this.#fill = end;
    if (this.#framing.done) return this.#finish();
    if (block.buffer.length - this.#fill < minRoomBytes) {
      this.#turnOver();
      this.#deliver();
    } else if (this.#waiting) this.#flush ??= setImmediate(() => this.#deliver());
  }

  /** The connection ended. */
  connectionEnded(error: Error | undefined): void {
    if (this.#ended || this.#closed) return;
    if (error === undefined && this.#framing.endsWithConnection) this.#finish();
    else this.fail(error ?? new TransportError('CUT_OFF', 'The connection ended before the answer did'));
  }

  /** Ends the body with an error, after what has come in order. */
  fail(error: Error): void {
    if (this.#ended || this.#closed) return;
    this.#ended = true;
    this.#error = error;
    this.#source.abandon();
    this.#over?.();
    this.#deliver();
  }

  /** The next bytes; undefined after the last. */
  next(): Promise<Chunk | undefined> {
    if (this.#closed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#deliver();
    });
  }

  /** Ends reading. What was not read is lost, and the connection with it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearImmediate(this.#flush);
    for (const region of this.#ready.splice(0)) this.#release(region.block);
    this.#dropBlock();
    if (!this.#ended) {
      this.#source.abandon();
      this.#over?.();
    }
    this.#waiting?.reject(closed());
    this.#waiting = undefined;
  }

  #append(block: Block, start: number, end: number): void {
    if (start === end) return;
    const last = this.#ready.at(-1);
    if (last?.block === block && last.end === start) {
      last.end = end;
      return;
    }
    block.users++;
    this.#ready.push({ block, start, end });
  }

  #deliver(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
    const waiting = this.#waiting;
    if (!waiting) return;
    const region = this.#ready.shift();
    if (region) {
      this.#waiting = undefined;
      waiting.resolve(this.#chunkOf(region));
    } else if (this.#ended) {
      this.#waiting = undefined;
      if (this.#error) waiting.reject(this.#error);
      else waiting.resolve(undefined);
    }
  }

  #chunkOf({ block, start, end }: Region): Chunk {
    let released = false;
    return {
      bytes: block.buffer.subarray(start, end),
      release: () => {
        if (released) return;
        released = true;
        this.#release(block);
      },
    };
  }

  // The connection must be told where the next bytes go before it can be paused (the buffer cannot be changed while it
  // is), so the last block is taken first, and then the connection waits with it.
  #turnOver(): void {
    this.#dropBlock();
    this.#block = this.#take();
    if (this.#blocksInUse < maxBlocksPerBody) return;
    this.#paused = true;
    this.#source.pause();
  }

  #take(): Block {
    this.#blocksInUse++;
    this.#fill = 0;
    return this.#pool.take();
  }

  #dropBlock(): void {
    if (!this.#block) return;
    this.#release(this.#block);
    this.#block = undefined;
  }

  #release(block: Block): void {
    if (!this.#pool.release(block)) return;
    this.#blocksInUse--;
    if (!this.#paused || this.#closed || this.#ended) return;
    this.#paused = false;
    this.#source.resume();
  }

  #finish(): void {
    this.#ended = true;
    this.#dropBlock();
    if (this.#framing.overrun || this.#framing.endsWithConnection) this.#source.abandon();
    else this.#source.finished();
    this.#over?.();
    this.#deliver();
  }
}

function closed(): TransportError {
  return new TransportError('CUT_OFF', 'The body was closed');
}
