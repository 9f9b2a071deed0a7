import { ContentMemory } from '../../cache/content/content-memory.ts';
import { Damages } from '../../cache/content/damages.ts';
import { ContentInUse } from '../../cache/content/in-use.ts';
import { LocalContent } from '../../cache/content/local-content.ts';
import { BufferPool } from '../../cache/content/reading/buffers.ts';
import { DownloadQueue } from '../../cache/download/download-queue.ts';
import { defaultDownloadPolicy } from '../../cache/download/download-tools.ts';
import { Downloads } from '../../cache/download/downloads.ts';
import { Hasher } from '../../cache/download/hasher.ts';
import { defaultPatienceMs } from '../../cache/freshness/patience.ts';
import { watchIndex } from '../../cache/index/index-watch.ts';
import { readUnreadManifests } from '../../cache/manifests/unread-manifests.ts';
import { Scrubber } from '../../cache/scrub/scrubber.ts';
import { SpaceKeeper, type SpaceObserver, type SpaceTools } from '../../cache/space/space-keeper.ts';
import type { CacheTools } from '../../cache/tools.ts';
import { UseRecorder } from '../../cache/uses.ts';
import type { Config } from '../../config/config.ts';
import { freeBytesOf } from '../../store/folders/free-space.ts';
import type { AppOptions, Basics } from '../app-options.ts';
import type { Lifetime } from '../lifetime.ts';
import type { Disk } from './disk.ts';

/** What the caches of all upstreams share. */
export interface SharedCache extends CacheTools {
  readonly space: SpaceKeeper;
  /** What of it is being read or written. */
  readonly inUse: ContentInUse;
  /** Called when another process changed the index. */
  readonly whenChanged: Set<() => void>;
  /** Not yet started. */
  readonly scrubber: Scrubber;
}

/** Opens what the caches of all upstreams share. */
export function openCache(
  config: Config,
  options: AppOptions,
  { clock, log, metrics, store, index }: Basics & Disk,
  lifetime: Lifetime,
): SharedCache {
  const uses = new UseRecorder(index, clock, (error) => log.debug({ reason: error.message }, 'uses cannot be stored'));
  lifetime.push(() => uses.flush());
  const hasher = new Hasher();
  lifetime.push(() => hasher.close());
  const buffers = new BufferPool();
  const policy = { ...defaultDownloadPolicy, ...options.download };
  const inUse = new ContentInUse();
  const memory = new ContentMemory();
  const space = openSpace(config, options, {
    ...{ store, index, memory, uses, inUse, clock, log },
    observer: observeSpace({ metrics, clock }),
  });
  metrics.storeLimit.set(config.cache.maxBytes);
  lifetime.push(() => space.close());
  const queue = new DownloadQueue(config.cache.maxDownloads, clock);
  const toDownload = { store, hasher, buffers, space, queue, clock, random: Math.random, policy };
  const downloads = new Downloads(toDownload, inUse);
  const damages = new Damages({ store, index, memory, log });
  const local = new LocalContent({ store, index, memory, buffers, space, inUse, clock, damages, log });
  lifetime.push(() => local.settled());
  const { offline } = config;
  const { patienceMs = defaultPatienceMs } = options;
  const whenChanged = new Set([() => memory.clear()]);
  tendIndex({ index, local, log, whenChanged }, lifetime);
  const tools = {
    ...{ store, index, memory, local, damages, hasher, downloads, buffers, uses, space },
    ...{ offline, patienceMs, clock, log },
  };
  return { ...tools, inUse, whenChanged, scrubber: openScrubber(config, tools, lifetime) };
}

/** Sees what other processes change, and completes what an older version noted; neither is waited for. */
function tendIndex(
  { index, local, log, whenChanged }: Pick<SharedCache, 'index' | 'local' | 'log' | 'whenChanged'>,
  lifetime: Lifetime,
) {
  const changed = () => {
    for (const forget of whenChanged) forget();
  };
  lifetime.push(watchIndex(index, changed));
  const stop = new AbortController();
  const reading = readUnreadManifests(index, local, stop.signal).catch((error: Error) =>
    log.error({ reason: error.message }, 'references cannot be stored'),
  );
  lifetime.push(async () => {
    stop.abort();
    await reading;
  });
}

/** Begins to keep the cache within its size. */
function openSpace(
  { cache, data }: Config,
  { freeBytes = () => freeBytesOf(data) }: AppOptions,
  tools: Omit<SpaceTools, 'freeBytes'>,
): SpaceKeeper {
  const space = new SpaceKeeper(cache, { ...tools, freeBytes });
  space.start();
  return space;
}

function observeSpace({ metrics, clock }: Pick<Basics, 'metrics' | 'clock'>): SpaceObserver {
  return {
    removed(reason, contents, sizeBytes) {
      metrics.evictedContents.inc({ reason }, contents);
      metrics.evictedBytes.inc({ reason }, sizeBytes);
    },
    notKept: () => metrics.notKept.inc(),
    ran: () => metrics.lastEviction.set(clock.now() / 1000),
  };
}

function openScrubber(
  { cache }: Config,
  tools: CacheTools & Pick<Disk, 'index'> & { readonly space: SpaceKeeper },
  lifetime: Lifetime,
): Scrubber {
  const removed: SpaceKeeper['removed'] = (digest) => tools.space.removed(digest);
  const refilled = () => tools.space.refilled();
  const scrubber = new Scrubber({ ...tools, removed, refilled, random: Math.random }, cache.scrubRateBytes);
  lifetime.push(() => scrubber.stop());
  return scrubber;
}
