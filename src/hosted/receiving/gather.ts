import { copyShared } from '../../util/copy-shared.ts';
import type { UploadBuffers } from './upload-buffers.ts';

/** Where gathered bytes go. */
export interface GatherSink {
  /** Sees that so many more bytes may come; rejecting ends it. Called before each chunk is taken. */
  admit(sizeBytes: number): Promise<void> | undefined;
  /** Takes bytes, which may change again when it settles. Not called again before. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Brings the bytes that a client sends to the sink, in buffers that are full, but for the last. While one is written the
 * next is filled, and when that is full, too, the client waits. When it breaks off, what came is written all the same.
 * @throws the signal's reason; what the bytes or the sink failed with, of several the sink's
 */
export async function gather(
  bytes: AsyncIterable<Uint8Array>,
  sink: GatherSink,
  buffers: UploadBuffers,
  signal: AbortSignal,
): Promise<void> {
  const writer = new BufferedWriter(sink, buffers);
  const next = reader(bytes, signal);
  try {
    for (let chunk = await next.read(); chunk; chunk = await next.read()) {
      await sink.admit(chunk.length);
      await writer.add(chunk);
    }
  } finally {
    next.end();
    await writer.flush();
  }
}

/** Fills one buffer while another is written. */
class BufferedWriter {
  readonly #sink: GatherSink;
  readonly #buffers: UploadBuffers;
  #buffer: Buffer | undefined;
  #filled = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(sink: GatherSink, buffers: UploadBuffers) {
    this.#sink = sink;
    this.#buffers = buffers;
  }

  async add(chunk: Uint8Array): Promise<void> {
    for (let taken = 0; taken < chunk.length; ) {
      this.#buffer ??= this.#buffers.take(); // not before there is something for it: who is slow to begin needs none
      const count = copyShared(chunk, taken, this.#buffer.subarray(this.#filled));
      taken += count;
      this.#filled += count;
      if (this.#filled === this.#buffer.length) await this.#write();
    }
  }

  /** Writes what there is. Nothing is added after it. */
  async flush(): Promise<void> {
    if (this.#buffer) await this.#write();
    await this.#writing;
  }

  // After a write that failed there is none: its bytes would come where those that are missing belong.
  async #write(): Promise<void> {
    const buffer = this.#buffer!;
    const bytes = buffer.subarray(0, this.#filled);
    this.#buffer = undefined;
    this.#filled = 0;
    try {
      await this.#writing;
    } catch (error) {
      this.#buffers.give(buffer);
      throw error;
    }
    this.#writing = this.#sink.write(bytes).finally(() => this.#buffers.give(buffer));
    this.#writing.catch(() => {}); // it is awaited before the next write, or in `flush`
  }
}

/**
 * Reads chunks until the signal fires. One listener serves for all of them: a race for each chunk would leave something
 * at the signal for each.
 */
function reader(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal) {
  const iterator = bytes[Symbol.asyncIterator]();
  let stop = (_reason: unknown): void => {};
  const abort = () => stop(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  return {
    read: () =>
      new Promise<Uint8Array | undefined>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        stop = reject;
        iterator.next().then((result) => resolve(result.done ? undefined : result.value), reject);
      }),
    end() {
      signal.removeEventListener('abort', abort);
      // Whoever gives them deals with what is left; that is not waited for, as a client may be silent for long.
      iterator.return?.().catch(() => {});
    },
  };
}
