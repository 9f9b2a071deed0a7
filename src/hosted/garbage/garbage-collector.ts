import type { Log } from '../../util/log/log.ts';
import type { Clock } from '../../util/time/clock.ts';
import { type CollectedGarbage, collectGarbage, type GarbageTools, type Unsettled } from './collect-garbage.ts';

/** How garbage is collected by itself. */
export interface GarbagePolicy {
  /** How often; undefined for never. */
  readonly everyMs: number | undefined;
  /** What was pushed less than so long ago stays. */
  readonly graceMs: number;
  /** Whether manifests without a tag go that nothing else needs. */
  readonly untagged: boolean;
}

/** What a collector works with. */
export interface CollectorTools extends GarbageTools {
  readonly clock: Clock;
  readonly log: Log;
  /** Is told what went. It must not throw. */
  collected(garbage: CollectedGarbage): void;
}

/** After the start there is much else to do; and who restarts often should have it collected all the same. */
const firstMs = 10 * 60_000;

/** Collects the garbage of hosted repositories now and then, as long as the process lives. */
export class GarbageCollector {
  readonly #policy: GarbagePolicy;
  readonly #tools: CollectorTools;
  readonly #stop = new AbortController();
  readonly #unsettled: Unsettled = [];
  #running: Promise<void> | undefined;

  constructor(policy: GarbagePolicy, tools: CollectorTools) {
    this.#policy = policy;
    this.#tools = tools;
  }

  /** Begins, and goes on until it is stopped. */
  start(): void {
    const { everyMs } = this.#policy;
    if (everyMs !== undefined) this.#running = this.#run(everyMs).catch(() => {}); // it was stopped
  }

  /** Ends what is under way, and resolves when nothing is. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('The server is being stopped'));
    await this.#running;
  }

  async #run(everyMs: number): Promise<void> {
    const { clock } = this.#tools;
    await clock.sleep(Math.min(firstMs, everyMs), this.#stop.signal);
    for (;;) {
      await this.#collect();
      await clock.sleep(everyMs, this.#stop.signal);
    }
  }

  async #collect(): Promise<void> {
    const { clock, log, collected } = this.#tools;
    const { graceMs, untagged } = this.#policy;
    const beganMs = clock.now();
    const request = { beforeMs: beganMs - graceMs, untagged, dryRun: false };
    try {
      const garbage = await collectGarbage(this.#tools, request, this.#stop.signal, this.#unsettled);
      collected(garbage);
      const { manifests, blobs, contents, sizeBytes } = garbage;
      if (manifests + blobs === 0) return;
      log.info({ manifests, blobs, contents, bytes: sizeBytes, ms: clock.now() - beganMs }, 'garbage collected');
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      log.error({ reason: (error as Error).message }, 'garbage cannot be collected'); // next time it may be well again
    }
  }
}
