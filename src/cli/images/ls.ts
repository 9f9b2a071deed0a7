import type { Command } from 'commander';
import { shownRegistry } from '../../cache/images/image-names.ts';
import { matchesAny, parseImagePattern } from '../../cache/images/image-patterns.ts';
import { type ImagePlatform, platformsOf } from '../../cache/images/image-platforms.ts';
import { type StoredImage, takeInventory } from '../../cache/images/inventory.ts';
import { formatSize } from '../../config/schema/values/size.ts';
import { addConfigFlags, type ConfigFlags } from '../configuration/config-flags.ts';
import { withCache } from '../open-cache.ts';
import { formatAge } from '../terminal/format-age.ts';
import { type Column, renderTable } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';

const shownTags = 3; // a line should fit
const shownDigestLength = 'sha256:'.length + 12; // enough to tell them apart

const columns: readonly Column[] = [
  { head: 'REPOSITORY' },
  { head: 'TAGS' },
  { head: 'PLATFORMS' },
  { head: 'SIZE', right: true },
  { head: 'OWN', right: true },
  { head: 'SHARED', right: true },
  { head: 'LAST PULL' },
  { head: 'HITS', right: true },
  { head: 'PINNED' },
];

/** An image with its platforms. */
interface ListedImage extends StoredImage {
  readonly platforms: readonly ImagePlatform[];
}

/** Adds `entrepot ls`. */
export function addLsCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('ls')
    .description('List the images that are here: all, or those that a pattern means (nginx, "ghcr.io/*", "*:1.*").')
    .argument('[PATTERN...]', 'names of images, in which * stands for anything')
    .option('--json', 'print JSON: an array with all that is known of each');
  addConfigFlags(command).action((patterns: readonly string[], flags: ConfigFlags & { json?: true }) =>
    list(patterns, flags, terminal),
  );
}

async function list(patterns: readonly string[], flags: ConfigFlags & { json?: true }, terminal: Terminal) {
  const listed = await withCache(flags, terminal, async (cache) => {
    const wanted = patterns.map((pattern) => parseImagePattern(pattern, cache.naming));
    const inventory = await takeInventory(cache.index);
    const found = inventory.images.filter((image) => matchesAny(wanted, image));
    const images: ListedImage[] = [];
    for (const image of found) {
      const shown = shownRegistry(image.registry, cache.naming);
      images.push({ ...image, registry: shown, platforms: await platformsOf(image, cache) });
    }
    return images;
  });
  if (flags.json) terminal.writeOut(`${JSON.stringify(listed.map(toJson), null, 2)}\n`);
  else if (listed.length > 0) terminal.writeOut(renderTable(columns, listed.map(toRow(Date.now()))));
  else terminal.writeError(patterns.length === 0 ? 'No image is here\n' : 'No image that is here has such a name\n');
}

function toRow(nowMs: number): (image: ListedImage) => string[] {
  return (image) => [
    `${image.registry}/${image.repository}`,
    tagsCell(image),
    platformsCell(image.platforms),
    formatSize(image.totalBytes),
    formatSize(image.ownBytes),
    formatSize(image.totalBytes - image.ownBytes),
    formatAge(image.usedAtMs, nowMs),
    String(image.hits),
    image.pinned ? 'yes' : '',
  ];
}

function tagsCell({ tags, digest }: ListedImage): string {
  if (tags.length === 0) return `@${digest.slice(0, shownDigestLength)}`;
  const more = tags.length > shownTags ? ` +${tags.length - shownTags}` : '';
  return `${tags.slice(0, shownTags).join(', ')}${more}`;
}

/** Those that are here by name; of those that are not, how many there are. */
function platformsCell(platforms: readonly ImagePlatform[]): string {
  const here = platforms.filter(({ stored }) => stored).map(({ platform }) => platform);
  const missing = platforms.length - here.length;
  const rest = missing === 0 ? [] : [`(${missing} not here)`];
  return platforms.length === 0 ? '-' : [here.join(', '), ...rest].filter((text) => text !== '').join(' ');
}

function toJson({ registry, repository, tags, digest, mediaType, platforms, ...image }: ListedImage) {
  const { totalBytes, ownBytes, usedAtMs, hits, pinned } = image;
  return {
    registry,
    repository,
    tags,
    digest,
    mediaType,
    platforms,
    sizeBytes: totalBytes,
    ownBytes,
    sharedBytes: totalBytes - ownBytes,
    lastPull: new Date(usedAtMs).toISOString(),
    hits,
    pinned,
  };
}
