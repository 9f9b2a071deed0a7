import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts';

/** What the main thread tells a hashing thread; all but `begin` are answered in order, with the same id. */
export type HashQuestion =
  | { readonly kind: 'begin'; readonly id: number; readonly algorithm: DigestAlgorithm }
  | { readonly kind: 'update'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: 'end' | 'drop'; readonly id: number };

interface HashAnswer {
  readonly id: number;
  readonly hex?: string;
}

/** The digest of a stream of bytes, in the making. `end` or `drop` is called once, as the last. */
export interface RunningHash {
  /** Resolves when the bytes may change again. They are taken in the order of the calls. */
  update(bytes: Uint8Array): Promise<void>;
  /** The digest of everything, once all of it was taken. */
  end(): Promise<Digest>;
  drop(): void;
}

/** Hashes streams in threads of their own. Bytes in shared memory are not copied. */
export class Hasher {
  readonly #threads: (HashThread | undefined)[];
  #next = 0;

  /** @param threadCount how many threads there are at most; by default one less than the processor's, and four at most */
  constructor(threadCount = Math.min(4, Math.max(1, availableParallelism() - 1))) {
    this.#threads = new Array(threadCount).fill(undefined);
  }

  /** Begins a hash, in the thread whose turn it is. Its promises reject when the thread fails. */
  begin(algorithm: DigestAlgorithm): RunningHash {
    const index = this.#next++ % this.#threads.length;
    if (!this.#threads[index]?.alive) this.#threads[index] = new HashThread();
    return this.#threads[index].begin(algorithm);
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread?.close()));
  }
}

interface Waiter {
  resolve(answer: HashAnswer): void;
  reject(error: Error): void;
}

class HashThread {
  alive = true;
  readonly #worker = new Worker(new URL(`./hash-worker${extname(import.meta.url)}`, import.meta.url));
  readonly #waiting = new Map<number, Waiter[]>();
  #lastId = 0;

  constructor() {
    this.#worker.on('message', (answer: HashAnswer) => this.#waiting.get(answer.id)?.shift()?.resolve(answer));
    this.#worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', () => this.#fail(new Error('The hashing thread ended')));
    this.#worker.unref();
  }

  begin(algorithm: DigestAlgorithm): RunningHash {
    const id = ++this.#lastId;
    this.#waiting.set(id, []);
    this.#worker.ref(); // whoever waits for a hash must not find that the process ends instead
    this.#tell({ kind: 'begin', id, algorithm });
    return {
      update: async (bytes) => {
        await this.#ask({ kind: 'update', id, bytes });
      },
      end: async () => {
        try {
          const { hex } = await this.#ask({ kind: 'end', id });
          return `${algorithm}:${hex}` as Digest;
        } finally {
          this.#forget(id);
        }
      },
      drop: () => {
        // What was given before is still being read; each update resolves when it is not.
        const forget = () => this.#forget(id);
        this.#ask({ kind: 'drop', id }).then(forget, forget);
      },
    };
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #forget(id: number): void {
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
  }

  #tell(question: HashQuestion): void {
    if (this.alive) this.#worker.postMessage(question);
  }

  #ask(question: HashQuestion): Promise<HashAnswer> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(question.id);
      if (!this.alive || !waiters) return reject(new Error('The hashing thread ended'));
      waiters.push({ resolve, reject });
      this.#tell(question);
    });
  }

  #fail(error: Error): void {
    this.alive = false;
    for (const waiters of this.#waiting.values()) for (const { reject } of waiters.splice(0)) reject(error);
  }
}
