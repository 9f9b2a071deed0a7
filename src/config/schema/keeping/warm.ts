import { z } from 'zod';
import { type PlatformChoice, parsePlatform } from '../../../oci/manifest/platform-choice.ts';
import { parseCount } from '../values/count.ts';
import { maxTimerMs, parseDuration } from '../values/duration.ts';
import { parseWrittenImage } from '../values/image-name.ts';
import { about, listOf, parsedBy } from '../values/key.ts';

const image = parsedBy(parseWrittenImage);
const interval = parsedBy(parseInterval);
const platforms = listOf(parsedBy((text) => (text === 'all' ? 'all' : parsePlatform(text)))).transform(chosen);
const concurrency = parsedBy(parseCount);

/** One entry of `warm.lists`. */
const listSchema = z.strictObject(
  {
    images: listOf(image).min(1, { error: 'expected at least one image' }),
    every: interval.optional(),
    platforms: platforms.optional(),
    concurrency: concurrency.optional(),
  },
  { error: 'expected a group of images, every, platforms and concurrency, and nothing else' },
);

/** The keys of images that are kept fresh though nobody pulls them. */
export const warmKeys = z.strictObject({
  images: listOf(image)
    .prefault([])
    .register(about, {
      type: 'list of images',
      description:
        'Images that are fetched in the background, and looked at again every `warm.every`: `nginx:1.27`, ' +
        '`ghcr.io/owner/app@sha256:…`; see [warm.md](warm.md).',
    }),
  every: interval.prefault('6h').register(about, {
    type: 'duration',
    description: 'How often. A tag is asked for again when it is older than `cache.tagTtl`.',
  }),
  platforms: platforms.prefault([]).register(about, {
    type: 'list of platforms',
    description:
      'Which platforms of an image: `linux/amd64`, `linux/arm64`; `all` for whatever there is. None for that of the ' +
      'machine that the server runs on.',
  }),
  concurrency: concurrency.prefault(2).register(about, {
    type: 'count',
    description: 'How many blobs are fetched at a time. None is begun while clients wait for downloads.',
  }),
  lists: listOf(listSchema)
    .prefault([])
    .register(about, {
      type: 'list of image lists',
      description:
        'More lists with intervals of their own. Each entry has `images`, and perhaps `every`, `platforms` and ' +
        '`concurrency`, which are those above unless given.',
    }),
});

/** Platforms as a choice; undefined when none was given. */
function chosen(names: readonly string[]): PlatformChoice | undefined {
  if (names.includes('all')) return 'all';
  return names.length === 0 ? undefined : names;
}

// What is looked at more often would be nothing but a load on its upstream.
const leastIntervalMs = 60_000;

function parseInterval(text: string): number {
  const intervalMs = parseDuration(text, maxTimerMs / 2); // some of it is added by chance
  if (intervalMs >= leastIntervalMs) return intervalMs;
  throw new Error('expected a duration of at least 1m, such as 6h');
}
