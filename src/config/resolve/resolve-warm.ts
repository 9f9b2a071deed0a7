import type { UpstreamConfig, WarmConfig } from '../config.ts';
import { quoteValue, type Report } from '../config-error.ts';
import type { MergedSettings } from '../merge-settings.ts';
import type { ParsedConfig } from '../schema/schema.ts';
import type { WrittenImage } from '../schema/values/image-name.ts';

type ParsedList = ParsedConfig['warm']['lists'][number];
type Names = Pick<UpstreamConfig, 'name' | 'alias' | 'names'>;

/** The lists of images that are kept fresh: that of `warm` itself, when it has any, and the others. */
export function resolveWarm(
  { warm }: ParsedConfig,
  merged: MergedSettings,
  upstreams: readonly Names[],
  report: Report,
): WarmConfig[] {
  const { images, every, platforms, concurrency, lists } = warm;
  const known = new Set(upstreams.flatMap(({ name, alias, names }) => [name, alias, ...names]));
  const check = (key: string, place: string, given: readonly WrittenImage[]) => {
    for (const { text, host } of given) {
      // Without an upstream nothing is pulled, and so nothing is warmed.
      if (host === undefined || known.has(host) || known.size === 0) continue;
      const what = `Cannot use ${key}${place} ${quoteValue(text)}: no upstream is called ${host}`;
      report({ where: merged.values.get(key)?.origin ?? '', what, advice: 'configure it, or take the image out' });
    }
  };
  check('warm.images', '', images);
  for (const [at, list] of lists.entries()) check('warm.lists', `, entry ${at + 1}, images`, list.images);
  const all: readonly Partial<ParsedList>[] = [...(images.length === 0 ? [] : [{ images }]), ...lists];
  return all.map((list) => ({
    images: (list.images ?? []).map(({ text }) => text),
    everyMs: list.every ?? every,
    platforms: list.platforms ?? platforms,
    concurrency: list.concurrency ?? concurrency,
  }));
}
