import type { PlatformChoice } from '../oci/manifest/platform-choice.ts';
import { Places } from '../util/locks/places.ts';
import type { Log } from '../util/log/log.ts';
import type { WarmStatus } from '../util/status.ts';
import type { Clock } from '../util/time/clock.ts';
import { type WantedImage, type WarmedImage, type WarmTools, warmImages } from './warm-images.ts';

/** Images that are kept fresh. */
export interface WarmList {
  readonly images: readonly WantedImage[];
  readonly everyMs: number;
  readonly platforms: PlatformChoice;
  readonly concurrency: number;
}

/** What a schedule works with. */
export interface ScheduleTools extends Pick<WarmTools, 'registryOf' | 'whenCalm' | 'whenDownloaded'> {
  readonly clock: Clock;
  readonly log: Log;
  random(): number;
  /** Is told what became of each image. It must not throw. */
  warmed(image: WarmedImage): void;
}

/** After a start clients come back; and of many servers that start together, not all ask at once. */
const firstMs = 30_000;
/** Part of the interval by which it may be longer or shorter. */
const jitter = 0.1;
const mostFailuresShown = 20;

const unseen = { planned() {}, began() {}, progressed() {}, ended() {}, finished() {} };

interface Listed {
  readonly list: WarmList;
  isRunning: boolean;
  nextAtMs: number | undefined;
  last: { readonly atMs: number; readonly images: readonly WarmedImage[] } | undefined;
}

/** Warms lists of images again and again, one list at a time, as long as the process lives. */
export class WarmSchedule {
  readonly #lists: readonly Listed[];
  readonly #tools: ScheduleTools;
  readonly #stop = new AbortController();
  readonly #turn = new Places(1);
  /** What failed last, by the name of the image, so that the same is told once. */
  readonly #failures = new Map<string, string>();
  #running: Promise<unknown> = Promise.resolve();

  constructor(lists: readonly WarmList[], tools: ScheduleTools) {
    this.#lists = lists.map((list) => ({ list, isRunning: false, nextAtMs: undefined, last: undefined }));
    this.#tools = tools;
  }

  /** Begins, and goes on until it is stopped. */
  start(): void {
    this.#running = Promise.allSettled(this.#lists.map((listed) => this.#run(listed)));
  }

  /** Ends what is under way, and resolves when nothing is. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('The server is being stopped'));
    await this.#running;
  }

  /** How it is with each list. */
  status(): WarmStatus[] {
    return this.#lists.map(({ list, isRunning, nextAtMs, last }) => {
      const failed = last?.images.filter(({ error }) => error !== undefined) ?? [];
      return {
        images: list.images.length,
        everySeconds: list.everyMs / 1000,
        running: isRunning,
        ...(last && {
          lastAt: new Date(last.atMs).toISOString(),
          failed: failed.length,
          stale: last.images.filter(({ stale, error }) => stale !== undefined && error === undefined).length,
          fetchedBytes: last.images.reduce((sum, { fetchedBytes }) => sum + fetchedBytes, 0),
          failures: failed.slice(0, mostFailuresShown).map(({ name, error = '' }) => ({ image: name, reason: error })),
        }),
        ...(nextAtMs === undefined || isRunning ? {} : { nextAt: new Date(nextAtMs).toISOString() }),
      };
    });
  }

  async #run(listed: Listed): Promise<void> {
    const { random } = this.#tools;
    const { everyMs } = listed.list;
    await this.#sleep(listed, Math.min(firstMs, everyMs) * (1 + random()));
    for (;;) {
      const leave = await this.#turn.take(this.#stop.signal);
      listed.isRunning = true;
      try {
        await this.#warm(listed);
      } finally {
        listed.isRunning = false;
        leave();
      }
      await this.#sleep(listed, everyMs * (1 - jitter + 2 * jitter * random()));
    }
  }

  async #sleep(listed: Listed, delayMs: number): Promise<void> {
    const { clock } = this.#tools;
    listed.nextAtMs = clock.now() + Math.round(delayMs);
    await clock.sleep(Math.round(delayMs), this.#stop.signal);
  }

  async #warm(listed: Listed): Promise<void> {
    const { clock, log, warmed } = this.#tools;
    const { images, platforms, concurrency } = listed.list;
    const beganMs = clock.now();
    const tools = { ...this.#tools, platforms, concurrency, observer: unseen };
    const results = await warmImages(images, tools, this.#stop.signal);
    listed.last = { atMs: clock.now(), images: results };
    for (const image of results) {
      this.#tell(image);
      warmed(image);
    }
    const failed = results.filter(({ error }) => error !== undefined).length;
    const bytes = results.reduce((sum, { fetchedBytes }) => sum + fetchedBytes, 0);
    log.info({ images: results.length, failed, bytes, ms: clock.now() - beganMs }, 'images warmed');
  }

  /** Says of an image what is new: that it fails, and why, or that it does no longer. */
  #tell({ name, error }: WarmedImage): void {
    const { log } = this.#tools;
    const before = this.#failures.get(name);
    if (error === before) return;
    if (error === undefined) {
      this.#failures.delete(name);
      log.info({ image: name }, 'image warm again');
    } else {
      this.#failures.set(name, error);
      log.warn({ image: name, reason: error }, 'image cannot be warmed');
    }
  }
}
