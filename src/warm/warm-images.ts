import type { Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/manifest/image-contents.ts';
import type { PlatformChoice } from '../oci/manifest/platform-choice.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import { Places } from '../util/locks/places.ts';
import type { Clock } from '../util/time/clock.ts';
import { fetchBlob } from './fetch-blob.ts';
import { readImage } from './read-image.ts';
import type { WarmRegistry } from './warm-registry.ts';

/** An image that is to be here. */
export interface WantedImage {
  /** What people are told that it is. */
  readonly name: string;
  readonly registry: string;
  readonly repository: Repository;
  readonly reference: Reference;
}

/** What became of an image. */
export interface WarmedImage {
  readonly name: string;
  /** Undefined when not even its manifest could be had. */
  readonly digest: Digest | undefined;
  /** Those of its platforms that are here now; none of an image that is for one only. */
  readonly platforms: readonly string[];
  /** Manifests and blobs. */
  readonly contents: number;
  readonly fetchedBytes: number;
  /** How much of it was here already. */
  readonly presentBytes: number;
  /** Why its tag may stand for another image by now: upstream could not be asked. */
  readonly stale?: string;
  /** Why it is not here, or not all of it. */
  readonly error?: string;
}

/** A blob on its way. */
export interface WarmingBlob {
  readonly image: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Is told how it goes on. It must not throw. */
export interface WarmObserver {
  /** So much more is wanted in all. */
  planned(sizeBytes: number): void;
  began(blob: WarmingBlob): void;
  progressed(blob: WarmingBlob, doneBytes: number): void;
  ended(blob: WarmingBlob, how: 'present' | 'fetched' | 'failed'): void;
  finished(image: WarmedImage): void;
}

/** What images are warmed with. */
export interface WarmTools {
  /** The cache of a registry; undefined when it is not configured. */
  registryOf(name: string): WarmRegistry | undefined;
  readonly platforms: PlatformChoice;
  /** How many blobs, and how many manifests, are asked for at a time. */
  readonly concurrency: number;
  readonly clock: Clock;
  readonly observer: WarmObserver;
  /** Resolves when no download of a blob is under way any more, for whoever can tell. */
  whenDownloaded?(digest: Digest): Promise<void>;
  /** What of the cache's disk fails now, for whoever can tell. It must not reject. */
  troubles?(): Promise<readonly string[]>;
  /** Resolves when another blob may be begun: for whoever is to keep out of the way of others. */
  whenCalm?(signal: AbortSignal): Promise<void>;
}

/**
 * Sees to it that images are in the cache with all that they consist of. One that fails keeps no other from being here.
 * @throws the signal's reason
 */
export async function warmImages(
  images: readonly WantedImage[],
  tools: WarmTools,
  signal: AbortSignal,
): Promise<WarmedImage[]> {
  const run = new WarmRun(tools, signal);
  const wanted = [...new Map(images.map((image) => [image.name, image])).values()];
  const settled = await Promise.allSettled(wanted.map((image) => run.warm(image)));
  signal.throwIfAborted();
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

type Fetched = 'present' | 'fetched';

class WarmRun {
  readonly #tools: WarmTools;
  readonly #signal: AbortSignal;
  readonly #images: Places;
  readonly #blobs: Places;
  /** What was asked for, by repository and digest: images share layers. */
  readonly #asked = new Map<string, Promise<Fetched>>();

  constructor(tools: WarmTools, signal: AbortSignal) {
    this.#tools = tools;
    this.#signal = signal;
    this.#images = new Places(tools.concurrency);
    this.#blobs = new Places(tools.concurrency);
  }

  async warm(image: WantedImage): Promise<WarmedImage> {
    const leave = await this.#images.take(this.#signal);
    try {
      const warmed = await this.#warm(image);
      this.#tools.observer.finished(warmed);
      return warmed;
    } finally {
      leave();
    }
  }

  async #warm(image: WantedImage): Promise<WarmedImage> {
    const { name } = image;
    const { platforms, clock, observer } = this.#tools;
    const nothing = { name, digest: undefined, platforms: [], contents: 0, fetchedBytes: 0, presentBytes: 0 };
    const registry = this.#tools.registryOf(image.registry);
    if (registry === undefined) return { ...nothing, error: `no upstream is called ${image.registry} here` };
    try {
      const read = await readImage(image, { registry, platforms, clock }, this.#signal);
      observer.planned(sizeOf(read.blobs));
      const results = await Promise.allSettled(read.blobs.map((blob) => this.#fetchOnce(image, blob, registry)));
      this.#signal.throwIfAborted();
      const came = (how: Fetched) =>
        sizeOf(read.blobs.filter((_, at) => results[at]?.status === 'fulfilled' && results[at].value === how));
      const failed = results.filter((result) => result.status === 'rejected');
      const more = failed.length > 1 ? ` (and ${failed.length - 1} more)` : '';
      return {
        ...{ name, digest: read.digest, platforms: read.platforms },
        contents: read.manifests + results.length - failed.length,
        fetchedBytes: read.fetchedBytes + came('fetched'),
        presentBytes: read.presentBytes + came('present'),
        ...(read.stale === undefined ? {} : { stale: read.stale }),
        ...(failed[0] && { error: `${messageOf(failed[0].reason)}${more}` }),
      };
    } catch (error) {
      this.#signal.throwIfAborted();
      return { ...nothing, error: messageOf(error) };
    }
  }

  #fetchOnce(image: WantedImage, blob: Descriptor, registry: WarmRegistry): Promise<Fetched> {
    const key = `${image.registry}/${image.repository}@${blob.digest}`;
    const asked = this.#asked.get(key) ?? this.#fetch(image, blob, registry);
    this.#asked.set(key, asked);
    return asked;
  }

  async #fetch(image: WantedImage, { digest, sizeBytes }: Descriptor, registry: WarmRegistry): Promise<Fetched> {
    const { observer, clock, whenCalm, whenDownloaded, troubles } = this.#tools;
    const leave = await this.#blobs.take(this.#signal);
    const blob = { image: image.name, digest, sizeBytes: sizeBytes ?? 0 };
    let how: Fetched | 'failed' = 'failed';
    try {
      await whenCalm?.(this.#signal);
      observer.began(blob);
      const progressed = (doneBytes: number) => observer.progressed(blob, doneBytes);
      const wanted = { repository: image.repository, digest, sizeBytes };
      how = await fetchBlob(wanted, { registry, clock, progressed, whenDownloaded, troubles }, this.#signal);
      return how;
    } finally {
      observer.ended(blob, how);
      leave();
    }
  }
}

function sizeOf(blobs: readonly Descriptor[]): number {
  return blobs.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
