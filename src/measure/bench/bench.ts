import type { Tag } from '../../oci/reference.ts';
import { downloadBlob } from '../download-blob.ts';
import { type ImageBlob, type ImageContents, largestBlob, readImage } from '../image-contents.ts';
import { nameOfSource, type Puller, type PullSource } from '../pullers/puller.ts';
import { type RegistrySide, type SideName, sourceAt } from '../registry-side.ts';
import { type Statistics, summarize } from '../statistics.ts';

/** What is measured, each by both ways. */
export const benchKinds = ['pull by tag', 'pull by digest', 'blob download'] as const;

/** One of `benchKinds`. */
export type BenchKind = (typeof benchKinds)[number];

/** What is to be measured. */
export interface BenchPlan {
  readonly upstream: RegistrySide;
  readonly cache: RegistrySide;
  readonly tag: Tag;
  readonly puller: Puller;
  /** How often each is measured. */
  readonly pulls: number;
  /** Whether the image is removed before every pull, and not only before the first of each kind. */
  readonly pruneBetween: boolean;
  readonly platform: string;
}

/** What a bench works with. */
export interface BenchTools {
  /** A clock that only goes forward, in milliseconds. */
  nowMs(): number;
  /** Is told of each thing that was measured, when it was. */
  measured(event: Measured): void;
}

/** One thing that was measured, or could not be. */
export interface Measured {
  readonly kind: BenchKind;
  readonly from: SideName;
  /** The first is 1. */
  readonly round: number;
  readonly rounds: number;
  readonly result: { readonly ms: number; readonly layersHeld: number } | { readonly failure: string };
}

/** All that was measured of one kind, one way. */
export interface BenchLeg {
  readonly kind: BenchKind;
  readonly from: SideName;
  /** Seconds; of blobs, bytes per second. */
  readonly figures: readonly number[];
  readonly summary: Statistics | undefined;
  readonly failures: readonly string[];
}

/** What a bench came to. */
export interface BenchResult {
  readonly image: ImageContents;
  readonly blob: ImageBlob;
  readonly legs: readonly BenchLeg[];
  /** The names of images that were removed from the client, each once. */
  readonly removed: readonly string[];
  /** What could not be removed, and why. */
  readonly left: readonly string[];
  /** Whether it was broken off. */
  readonly isBrokenOff: boolean;
}

/**
 * Finds out what an image stands for: upstream's word counts, and where upstream cannot say, that of the cache.
 * @throws Error with the code `NO_IMAGE`, when neither says
 */
export async function findImage(
  { upstream, cache, tag, platform }: Pick<BenchPlan, 'upstream' | 'cache' | 'tag' | 'platform'>,
  signal: AbortSignal,
): Promise<ImageContents> {
  const failures: string[] = [];
  for (const { host, repository, open } of [upstream, cache]) {
    const { registry, close } = open();
    try {
      return await readImage(registry, repository, tag, platform, signal);
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`${host}: ${(error as Error).message}`);
    } finally {
      close();
    }
  }
  const message = `Cannot find ${upstream.repository}:${tag}, neither upstream nor in the cache\n  ${failures.join('\n  ')}`;
  throw Object.assign(new Error(message), { code: 'NO_IMAGE' });
}

/** The images that a bench pulls, which its client must not have for anybody else. */
export function sourcesOf({ upstream, cache, tag }: BenchPlan, { digest }: ImageContents): PullSource[] {
  return [upstream, cache].flatMap((side) => [sourceAt(side, tag), sourceAt(side, digest)]);
}

/** Measures. What fails is counted; a signal that fires ends it with what was measured until then. */
export async function runBench(
  plan: BenchPlan,
  image: ImageContents,
  tools: BenchTools,
  signal: AbortSignal,
): Promise<BenchResult> {
  const blob = largestBlob(image);
  const cleaner = new Cleaner(plan.puller);
  const legs: BenchLeg[] = [];
  try {
    for (const kind of benchKinds) {
      for (const side of [plan.upstream, plan.cache]) {
        legs.push(await measureLeg(plan, { kind, side, image, blob }, { ...tools, cleaner }, signal));
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await cleaner.finish();
  }
  const measured = legs.filter(({ figures, failures }) => figures.length + failures.length > 0);
  return {
    ...{ image, blob, legs: measured },
    ...{ removed: cleaner.removed, left: cleaner.left, isBrokenOff: signal.aborted },
  };
}

/** One leg: what is measured, one way. */
interface Leg {
  readonly kind: BenchKind;
  readonly side: RegistrySide;
  readonly image: ImageContents;
  readonly blob: ImageBlob;
}

async function measureLeg(
  plan: BenchPlan,
  leg: Leg,
  { nowMs, measured, cleaner }: BenchTools & { readonly cleaner: Cleaner },
  signal: AbortSignal,
): Promise<BenchLeg> {
  const { kind, side, image, blob } = leg;
  const figures: number[] = [];
  const failures: string[] = [];
  const source =
    kind === 'blob download' ? undefined : sourceAt(side, kind === 'pull by tag' ? plan.tag : image.digest);
  for (let round = 1; round <= plan.pulls && !signal.aborted; round++) {
    const tell = (result: Measured['result']) => measured({ kind, from: side.name, round, rounds: plan.pulls, result });
    try {
      const isFirst = round === 1;
      if (source && (isFirst || plan.pruneBetween)) await cleaner.removeAll();
      const beganAtMs = nowMs();
      const layersHeld = source ? await cleaner.pull(source, signal) : await download(side, blob, signal);
      const ms = nowMs() - beganAtMs;
      figures.push(source ? ms / 1000 : blob.sizeBytes / (ms / 1000));
      tell({ ms, layersHeld });
    } catch (error) {
      if (signal.aborted) break;
      const failure = (error as Error).message;
      failures.push(failure);
      tell({ failure });
    }
  }
  return { kind, from: side.name, figures, failures, summary: summarize(figures) };
}

async function download({ open, repository }: RegistrySide, blob: ImageBlob, signal: AbortSignal): Promise<number> {
  const { registry, close } = open();
  await downloadBlob(registry, repository, blob, { isVerified: false }, signal).finally(close);
  return 0;
}

const removeLimitMs = 60_000; // a client that is busy with others; the images of a bench are a few

/** Pulls, and removes what was pulled, and nothing else: also after the signal that ends everything has fired. */
class Cleaner {
  readonly #puller: Puller;
  readonly #pulled = new Map<string, PullSource>();
  readonly #removed = new Set<string>();
  readonly #left: string[] = [];

  constructor(puller: Puller) {
    this.#puller = puller;
  }

  get removed(): readonly string[] {
    return [...this.#removed];
  }

  get left(): readonly string[] {
    return this.#left;
  }

  async pull(source: PullSource, signal: AbortSignal): Promise<number> {
    // Before it is there, as it may be there after a pull that was broken off.
    this.#pulled.set(nameOfSource(source), source);
    return (await this.#puller.pull(source, signal)).layersHeld;
  }

  /** @throws Error when one cannot be removed: what is pulled next would not be whole */
  async removeAll(): Promise<void> {
    for (const [name, source] of this.#pulled) {
      const limit = AbortSignal.timeout(removeLimitMs);
      const isThere = this.#puller.keepsImages && (await this.#puller.has(source, limit));
      if (isThere) await this.#puller.remove(source, limit);
      this.#pulled.delete(name);
      if (isThere) this.#removed.add(name);
    }
  }

  /** Removes all, and says what could not be. */
  async finish(): Promise<void> {
    for (const name of [...this.#pulled.keys()]) {
      await this.removeAll().catch((error: Error) => {
        const [stuck = name] = this.#pulled.keys();
        this.#pulled.delete(stuck);
        this.#left.push(`${stuck}: ${error.message}`);
      });
    }
    await this.#puller.close(AbortSignal.timeout(removeLimitMs)).catch((error: Error) => {
      this.#left.push(`what it was pulled with: ${error.message}`);
    });
  }
}
