import { type FileHandle, open } from 'node:fs/promises';
import { singleFlight, unlessAborted } from '../locks/single-flight.ts';
import type { Clock } from '../time/clock.ts';

/** What a watched file is made with. */
export interface WatchedFileOptions<T> {
  readonly path: string;
  /** Reads the text; what it throws must quote none of it. */
  readonly parse: (text: string) => T;
  readonly clock: Clock;
  /** Is told why the file cannot be read, once for each reason that follows another. */
  readonly failed: (reason: string) => void;
}

/** A change is seen this late at most; so many requests in between cost no look at the disk. */
const lookAgainMs = 2_000;
/** No file of passwords is as large; whatever is, is something else. */
const maxBytes = 1024 * 1024;

interface Content<T> {
  /** What the file's metadata was before it was read. */
  readonly stamp: string;
  readonly text: string;
  readonly value: T;
}

/** A small file that is read again when it has changed. While it cannot be read, what it said last still counts. */
export class WatchedFile<T> {
  readonly #options: WatchedFileOptions<T>;
  readonly #looking = singleFlight<void>();
  #content: Content<T> | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  #reason: string | undefined;

  constructor(options: WatchedFileOptions<T>) {
    this.#options = options;
  }

  /**
   * What the file says: the same value as before while its text is the same.
   * @throws Error without any of the text, when it could never be read
   */
  async read(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    // The clock may have been set back meanwhile.
    if (this.#isLooking || Math.abs(this.#options.clock.now() - this.#lookedAtMs) >= lookAgainMs) {
      await this.#looking.run('', signal, (shared) => unlessAborted(this.#look(), shared));
    }
    if (this.#content) return this.#content.value;
    throw new Error(this.#reason ?? 'it cannot be read');
  }

  /** Has it read by the next who asks, changed or not. */
  expire(): void {
    this.#lookedAtMs = Number.NEGATIVE_INFINITY;
    if (this.#content) this.#content = { ...this.#content, stamp: '' };
  }

  async #look(): Promise<void> {
    const { path, parse, clock, failed } = this.#options;
    this.#isLooking = true;
    this.#lookedAtMs = clock.now();
    try {
      const found = await readStamped(path, this.#content?.stamp);
      if (found && found.text !== this.#content?.text) this.#content = { ...found, value: parse(found.text) };
      else if (found && this.#content) this.#content = { ...this.#content, stamp: found.stamp };
      this.#reason = undefined;
    } catch (error) {
      const reason = reasonOf(error);
      if (reason !== this.#reason) failed(reason);
      this.#reason = reason;
    } finally {
      this.#isLooking = false;
    }
  }
}

/** The text of a file, and its stamp from before it was read; undefined when it has the stamp that is known. */
async function readStamped(
  path: string,
  known: string | undefined,
): Promise<{ stamp: string; text: string } | undefined> {
  const handle = await open(path, 'r');
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await handle.stat({ bigint: true });
    const stamp = [dev, ino, size, mtimeNs, ctimeNs].join(' ');
    return stamp === known ? undefined : { stamp, text: await readText(handle) };
  } finally {
    await handle.close();
  }
}

async function readText(handle: FileHandle): Promise<string> {
  const buffer = Buffer.alloc(maxBytes + 1);
  let length = 0;
  for (let read = 1; read > 0 && length <= maxBytes; length += read) {
    ({ bytesRead: read } = await handle.read(buffer, length, buffer.length - length));
  }
  if (length > maxBytes) throw new Error(`it exceeds ${maxBytes} bytes`);
  return buffer.toString('utf8', 0, length);
}

/** Why something failed, by the system's code where there is one: its message would repeat the path. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
}
