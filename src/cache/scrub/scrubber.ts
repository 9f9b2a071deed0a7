import type { Digest } from '../../oci/digest.ts';
import type { Log } from '../../util/log/log.ts';
import type { Hasher } from '../download/hasher.ts';
import { type CheckTools, ContentCheck } from './check/content-check.ts';
import { type Pace, StoredHash } from './check/stored-hash.ts';
import { paceOf } from './pacer.ts';
import { refillIndex } from './refill.ts';
import { blobsInSteps, contentsFrom } from './walk.ts';

/** After the start there is much else to do, and who restarts often should not read more than they serve. */
const firstPassMs = 5 * 60_000;
const roundMs = 24 * 60 * 60_000;
const bufferBytes = 256 * 1024; // at 20 MB/s, 80 reads in a second

/** What the scrubber works with. */
export interface ScrubberTools extends CheckTools {
  readonly hasher: Hasher;
  readonly random: () => number;
  readonly log: Log;
  /** Is told that the index knows more now than what was stored while this process runs. */
  readonly refilled?: () => void;
}

/**
 * Works through the store in the background, as long as the process lives: fills the index with what it does not know,
 * then reads every content, slowly, and drops what is not what its digest says. A pass begins at a random digest, so
 * that a process that never lives to the end of one comes round to everything all the same.
 */
export class Scrubber {
  readonly #tools: ScrubberTools;
  readonly #bytesPerSecond: number;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #scrubbedBytes = 0;

  /** @param bytesPerSecond how much is read of the disk; 0 reads nothing, and the index is filled all the same */
  constructor(tools: ScrubberTools, bytesPerSecond: number) {
    this.#tools = tools;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** How much was read and hashed. */
  get scrubbedBytes(): number {
    return this.#scrubbedBytes;
  }

  /** Begins, and goes on until it is stopped. */
  start(): void {
    this.#running = this.#run(this.#stop.signal);
  }

  /** Ends what is under way, and resolves when nothing is. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('The cache is being stopped'));
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#tools;
    try {
      await this.#try(() => this.#refill(signal), 'index cannot be refilled');
      if (this.#bytesPerSecond === 0) return;
      await clock.sleep(firstPassMs, signal);
      for (;;) {
        const beganMs = clock.now();
        await this.#try(() => this.#pass(beganMs, signal), 'store cannot be scrubbed');
        await clock.sleep(Math.min(roundMs, Math.max(firstPassMs, beganMs + roundMs - clock.now())), signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #refill(signal: AbortSignal): Promise<void> {
    const added = await refillIndex(this.#tools, signal);
    if (added.contents === 0) return;
    this.#tools.log.warn(added, 'index refilled from the store');
    this.#tools.refilled?.();
  }

  async #pass(beganMs: number, signal: AbortSignal): Promise<void> {
    const { clock, hasher, index, store, log } = this.#tools;
    const before = this.#scrubbedBytes;
    const damages = { contents: 0 };
    const hash = new StoredHash(hasher, bufferBytes, this.#countedPace());
    const check = new ContentCheck(this.#tools, hash, {
      ...{ repair: true, sinceMs: beganMs, signal },
      checked() {},
      found(finding, repaired) {
        if (finding.kind === 'damaged')
          damages.contents++; // which is logged when it is dropped
        else log.warn({ ...finding, repaired }, 'store and index disagree');
      },
    });
    for await (const entry of contentsFrom(index, this.#anyDigest())) await check.indexed(entry);
    for await (const blob of blobsInSteps(store, clock, signal)) await check.stored(blob);
    const facts = { bytes: this.#scrubbedBytes - before, damaged: damages.contents, ms: clock.now() - beganMs };
    log.info(facts, 'store scrubbed');
  }

  #anyDigest(): Digest {
    const first = Math.floor(this.#tools.random() * 2 ** 32);
    return `sha256:${first.toString(16).padStart(8, '0').padEnd(64, '0')}` as Digest;
  }

  #countedPace(): Pace {
    const pace = paceOf(this.#bytesPerSecond, this.#tools.clock);
    return async (bytes, signal) => {
      await pace(bytes, signal);
      this.#scrubbedBytes += bytes;
    };
  }

  async #try(work: () => Promise<void>, failed: string): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      this.#tools.log.error({ reason: (error as Error).message }, failed); // at the next round it may be well again
    }
  }
}
