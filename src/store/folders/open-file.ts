import fs from 'node:fs';
import { promisify } from 'node:util';
import { explainSystemError } from '../system-error.ts';

const openDescriptor = promisify(fs.open);
const statDescriptor = promisify(fs.fstat);
const syncDescriptor = promisify(fs.fsync);
const truncateDescriptor = promisify(fs.ftruncate);
const closeDescriptor = promisify(fs.close);

async function closeAtOnce(descriptor: number): Promise<void> {
  fs.closeSync(descriptor);
}

/** Opens a file; `flags` and `mode` are those of `fs.open`. */
export async function openFile(path: string, flags: string, mode?: number): Promise<OpenFile> {
  return new OpenFile(path, await openDescriptor(path, flags, mode));
}

/**
 * Opens a folder in which something was just given a name: the system has it at hand, and tells at once. Asking a thread
 * costs more.
 */
export function openFolder(path: string): OpenFile {
  return new OpenFile(path, fs.openSync(path, 'r'));
}

/**
 * An open file: its descriptor, read and written at positions. It is a number and callbacks, not a `FileHandle`,
 * which costs more for each call than a piece of a file takes to read.
 */
export class OpenFile {
  readonly path: string;
  #descriptor: number | undefined;
  #lost: unknown;
  /** Whether all that was written is on the disk. */
  #isSynced = false;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  /** Reads up to `wantedBytes` from `position` into the buffer's beginning: fewer only when the file ends before. */
  async read(into: Uint8Array, position: number, wantedBytes: number): Promise<number> {
    let filled = 0;
    while (filled < wantedBytes) {
      const count = await this.#readOnce(into, filled, wantedBytes - filled, position + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }

  /** Writes all of the bytes at the position: the system may take only some at a time. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#isSynced = false;
    let written = 0;
    while (written < bytes.length) written += await this.#writeOnce(bytes, written, position + written);
  }

  /** What the system says of the file. */
  stat(): Promise<fs.Stats> {
    return this.#run('read', (descriptor) => statDescriptor(descriptor));
  }

  /** Takes away what is there from the size on. */
  truncate(sizeBytes: number): Promise<void> {
    this.#isSynced = false;
    return this.#run('cut', (descriptor) => truncateDescriptor(descriptor, sizeBytes));
  }

  /**
   * Waits until the bytes, or the names when it is a folder, are on the disk. The system tells once that it could not
   * write something, and forgets what that was: a sync that works after one that failed proves nothing, so none does.
   */
  async sync(): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    try {
      await this.#run('sync', syncDescriptor);
      this.#isSynced = true;
    } catch (error) {
      this.#lost = error;
      throw error;
    }
  }

  /** Whether a sync failed: what is on the disk is then anybody's guess, though it be read as it was written. */
  get isDoubtful(): boolean {
    return this.#lost !== undefined;
  }

  /** Closes the descriptor. Nothing may be under way: its number goes to the next file that is opened. */
  close(): Promise<void> {
    return this.#run('close', (descriptor) => {
      this.#descriptor = undefined;
      // There is nothing left to wait for: handing it to a thread would cost more than all of it.
      if (this.#isSynced) return closeAtOnce(descriptor);
      return closeDescriptor(descriptor);
    });
  }

  async #run<T>(action: string, operation: (descriptor: number) => Promise<T>): Promise<T> {
    const descriptor = this.#openDescriptor(action);
    try {
      return await operation(descriptor);
    } catch (error) {
      throw explainSystemError(action, this.path, error);
    }
  }

  #readOnce(into: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    const descriptor = this.#openDescriptor('read');
    return new Promise((resolve, reject) => {
      fs.read(descriptor, into, offset, length, position, (error, count) => {
        if (error) reject(explainSystemError('read', this.path, error));
        else resolve(count);
      });
    });
  }

  #writeOnce(bytes: Uint8Array, offset: number, position: number): Promise<number> {
    const descriptor = this.#openDescriptor('write');
    return new Promise((resolve, reject) => {
      fs.write(descriptor, bytes, offset, bytes.length - offset, position, (error, count) => {
        if (error) reject(explainSystemError('write', this.path, error));
        else resolve(count);
      });
    });
  }

  // A descriptor that was closed may be another file's by now: used again, it would give out that file's bytes.
  #openDescriptor(action: string): number {
    if (this.#descriptor === undefined) throw new Error(`Cannot ${action} "${this.path}": it was closed before`);
    return this.#descriptor;
  }
}
