import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { RegistryError } from '../../oci/errors.ts';

/** What the thread is asked, one at a time. */
export interface PasswordQuestion {
  readonly password: string;
  readonly hash: string;
}

/** What it answers. */
export interface PasswordAnswer {
  readonly isRight: boolean;
}

interface Check extends PasswordQuestion {
  resolve(isRight: boolean): void;
  reject(error: Error): void;
}

// At a tenth of a second each, as bcrypt is made to take, the last one waits for 6 s: less than any client.
const maxWaiting = 64;
const retryAfterSeconds = 5;

/** Compares passwords with bcrypt hashes, one after the other, in a thread of its own: so all of it takes one processor. */
export class PasswordChecker {
  #worker: Worker | undefined;
  #current: Check | undefined;
  #waiting: Check[] = [];

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Whether a hash is that of a password.
   * @throws RegistryError TOOMANYREQUESTS when too many wait already; the signal's reason
   */
  async check(password: string, hash: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (this.#waiting.length >= maxWaiting) throw tooManyLogins(retryAfterSeconds);
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const check: Check = { password, hash, resolve, reject };
    const leave = () => {
      this.#waiting = this.#waiting.filter((other) => other !== check);
      reject(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#waiting.push(check);
    this.#next();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** Ends the thread; whoever waits gets an error. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#fail(new Error('The passwords are not checked any more'));
    await worker?.terminate();
  }

  #next(): void {
    if (this.#current !== undefined) return;
    this.#current = this.#waiting.shift();
    if (this.#current === undefined) return void this.#worker?.unref();
    this.#worker ??= this.#start();
    this.#worker.ref(); // whoever waits for an answer must not find that the process ends instead
    const { password, hash } = this.#current;
    this.#worker.postMessage({ password, hash } satisfies PasswordQuestion);
  }

  #start(): Worker {
    const worker = new Worker(new URL(`./bcrypt-worker${extname(import.meta.url)}`, import.meta.url));
    worker.on('message', ({ isRight }: PasswordAnswer) => {
      this.#current?.resolve(isRight);
      this.#current = undefined;
      this.#next();
    });
    const fail = (error: Error) => {
      if (this.#worker === worker) this.#fail(error);
    };
    worker.on('error', (error) => fail(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', () => fail(new Error('The thread that checks passwords ended')));
    return worker;
  }

  #fail(error: Error): void {
    const failed = [...(this.#current ? [this.#current] : []), ...this.#waiting];
    this.#worker = undefined;
    this.#current = undefined;
    this.#waiting = [];
    for (const check of failed) check.reject(error);
  }
}

/** The error for a login that would have to wait for too long. */
export function tooManyLogins(retryAfterSeconds: number): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', `Cannot check the password now: try again in ${retryAfterSeconds} s`, {
    headers: { 'retry-after': String(retryAfterSeconds) },
  });
}
