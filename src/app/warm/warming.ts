import { imageNameOf, type NamedRegistry, parseImageName } from '../../cache/images/image-names.ts';
import type { Config } from '../../config/config.ts';
import { ownPlatform } from '../../oci/manifest/platform-choice.ts';
import type { Registry } from '../../oci/registry.ts';
import { WarmSchedule } from '../../warm/schedule.ts';
import type { Basics } from '../app-options.ts';
import type { SharedCache } from '../cache/cache.ts';
import type { Lifetime } from '../lifetime.ts';

/** What images are kept fresh with. */
export interface WarmingParts extends Basics {
  readonly cache: Pick<SharedCache, 'downloads'>;
  readonly registries: readonly (NamedRegistry & { readonly registry: Registry })[];
}

/** Another blob is begun only while fewer than this part of `cache.maxDownloads` are under way: the rest is for clients. */
const partOfDownloads = 0.5;
const lookEveryMs = 1_000;

/** Begins to keep the images of the configuration fresh; offline nobody could be asked. */
export function startWarming(
  config: Config,
  { clock, log, metrics, cache, registries }: WarmingParts,
  lifetime: Lifetime,
): WarmSchedule {
  const naming = { registries, default: config.doors.registry.default };
  const lists = config.warm.map(({ images, everyMs, platforms, concurrency }) => ({
    ...{ everyMs, concurrency, platforms: platforms ?? [ownPlatform()] },
    images: images.map((text) => {
      const image = parseImageName(text, naming);
      return { ...image, name: imageNameOf(image, naming) };
    }),
  }));
  const byName = new Map(registries.map(({ name, registry }) => [name, registry]));
  const mostDownloads = Math.max(1, config.cache.maxDownloads * partOfDownloads);
  const failing = new Set<string>();
  const schedule = new WarmSchedule(config.offline ? [] : lists, {
    ...{ clock, log, random: Math.random },
    registryOf: (name) => byName.get(name),
    async whenDownloaded(digest) {
      await cache.downloads.get(digest)?.download.finished;
    },
    async whenCalm(signal) {
      while (cache.downloads.waiting > 0 || cache.downloads.count >= mostDownloads) {
        await clock.sleep(lookEveryMs, signal);
      }
    },
    warmed({ name, error, stale, fetchedBytes }) {
      const result = error === undefined ? (stale === undefined ? 'warm' : 'stale') : 'failed';
      metrics.warmedImages.inc({ result });
      if (error === undefined) failing.delete(name);
      else failing.add(name);
      metrics.failingImages.set(failing.size);
      metrics.warmedBytes.inc(fetchedBytes);
      metrics.lastWarming.set(clock.now() / 1000);
    },
  });
  schedule.start();
  lifetime.push(() => schedule.stop());
  return schedule;
}
