import type { Command } from 'commander';
import { type ImageNaming, imageNameOf } from '../../cache/images/image-names.ts';
import { matchesAny, parseImagePattern } from '../../cache/images/image-patterns.ts';
import { type StoredImage, takeInventory } from '../../cache/images/inventory.ts';
import { type Pruned, prune } from '../../cache/space/removal/pruning.ts';
import { parseDuration } from '../../config/schema/values/duration.ts';
import { formatSize, parseSizeOrZero } from '../../config/schema/values/size.ts';
import type { Log } from '../../util/log/log.ts';
import { systemClock } from '../../util/time/clock.ts';
import { CommandFailure, UsageFailure } from '../command-failure.ts';
import { addConfigFlags, type ConfigFlags } from '../configuration/config-flags.ts';
import { errorsTo } from '../errors-to.ts';
import { type OpenCache, withCacheToRemove } from '../open-cache.ts';
import { argument } from '../terminal/flag-values.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** The flags of `entrepot prune`. */
interface PruneFlags extends ConfigFlags {
  readonly olderThan?: number;
  readonly toSize?: number;
  readonly dryRun?: true;
  readonly json?: true;
}

/** What a pruning came to. */
interface Report extends Pruned {
  readonly naming: ImageNaming;
  /** The images of which the manifest went. */
  readonly images: readonly StoredImage[];
  /** What is stored now. */
  readonly leftBytes: number;
}

/** Adds `entrepot prune`. */
export function addPruneCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('prune')
    .description(
      'Remove what was pulled longest ago, as a running cache does by itself: nothing that is pinned or new, and no ' +
        'content of an image that stays. A server may be running beside.',
    )
    .argument('[PATTERN...]', 'names of images, in which * stands for anything: only these go (all, unless given)')
    .option(
      '--older-than <AGE>',
      'all that was not pulled for so long goes: 30d, 12h',
      argument((text) => parseDuration(text)),
    )
    .option('--to-size <SIZE>', 'as much goes as is stored beyond this: 20GB, 0', argument(parseSizeOrZero))
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .option('--json', 'print JSON: the images and the number and size of contents that went');
  addConfigFlags(command).action((patterns: readonly string[], flags: PruneFlags) => run(patterns, flags, terminal));
}

async function run(patterns: readonly string[], flags: PruneFlags, terminal: Terminal): Promise<void> {
  if (flags.olderThan === undefined && flags.toSize === undefined) {
    throw new UsageFailure('Cannot tell what is to go: give --older-than or --to-size; `entrepot rm` removes by name');
  }
  const report = await withCacheToRemove(flags, terminal, (cache) =>
    pruneCache(patterns, flags, cache, errorsTo(terminal)),
  );
  terminal.writeOut(flags.json ? `${JSON.stringify(toJson(report, flags), null, 2)}\n` : summary(report, flags));
  if (report.isEnough) return;
  const left = `${formatSize(report.leftBytes)} are left, not ${formatSize(flags.toSize ?? 0)}`;
  throw new CommandFailure(`Not enough can go: ${left}; the rest is pinned, new, or not meant`);
}

async function pruneCache(
  patterns: readonly string[],
  flags: PruneFlags,
  { index, store, config, naming }: OpenCache,
  log: Log,
): Promise<Report> {
  const wanted = patterns.map((pattern) => parseImagePattern(pattern, naming));
  const { images } = await takeInventory(index);
  const meant = new Set(images.filter((image) => matchesAny(wanted, image)).flatMap(({ contents }) => [...contents]));
  const request = {
    olderThanMs: flags.olderThan,
    toSizeBytes: flags.toSize,
    graceMs: config.cache.graceMs,
    isMeant: patterns.length === 0 ? () => true : meant.has.bind(meant),
    dryRun: flags.dryRun === true,
  };
  const tools = { index, store, log, clock: systemClock };
  const pruned = await prune(request, tools, new AbortController().signal);
  const { sizeBytes } = await index.totals();
  return {
    ...pruned,
    naming,
    images: images.filter(({ digest }) => pruned.gone.has(digest)),
    leftBytes: flags.dryRun ? sizeBytes - pruned.sizeBytes : sizeBytes,
  };
}

function summary({ naming, images, gone, sizeBytes, leftBytes }: Report, { dryRun }: PruneFlags): string {
  const [removes, frees, is] = dryRun ? ['Would remove', 'Would free', 'would be'] : ['Removed', 'Freed', 'are'];
  const lines = images.map(({ registry, repository, tags, digest }) => {
    const references = tags.length === 0 ? [digest] : tags;
    return `${removes} ${references.map((reference) => imageNameOf({ registry, repository, reference }, naming)).join(', ')}`;
  });
  const count = `${gone.size} ${gone.size === 1 ? 'content' : 'contents'}`;
  lines.push(`${frees} ${formatSize(sizeBytes)}: ${count}; ${formatSize(leftBytes)} ${is} left`);
  return `${lines.join('\n')}\n`;
}

function toJson({ images, gone, sizeBytes, leftBytes }: Report, { dryRun }: PruneFlags) {
  return {
    dryRun: dryRun === true,
    images: images.map(({ registry, repository, tags, digest }) => ({ registry, repository, tags, digest })),
    contents: gone.size,
    sizeBytes,
    leftBytes,
  };
}
