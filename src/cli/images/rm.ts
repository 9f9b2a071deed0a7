import type { Command } from 'commander';
import { type ImageName, type ImageNaming, imageNameOf, parseImageName } from '../../cache/images/image-names.ts';
import { applyImageRemoval, findImage, type ImageRemoval, planImageRemoval } from '../../cache/images/image-removal.ts';
import { type Inventory, takeInventory } from '../../cache/images/inventory.ts';
import { formatSize } from '../../config/schema/values/size.ts';
import { removeTag, removeUnused } from '../../hosted/records/removal.ts';
import { isDigestReference } from '../../oci/reference.ts';
import { systemClock } from '../../util/time/clock.ts';
import { CommandFailure } from '../command-failure.ts';
import { addConfigFlags, type ConfigFlags } from '../configuration/config-flags.ts';
import { type OpenCache, withCacheToRemove } from '../open-cache.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** The flags of `entrepot rm`. */
interface RmFlags extends ConfigFlags {
  readonly dryRun?: true;
  readonly force?: true;
}

/** Adds `entrepot rm`. */
export function addRmCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('rm')
    .description('Remove images: a tag, or a digest with all of its tags, and the content that no other image has.')
    .argument('<IMAGE...>', 'names of images, such as nginx:1.27 or ghcr.io/owner/app@sha256:…')
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .option('--force', 'remove what is pinned, too, with its pin');
  addConfigFlags(command).action((images: readonly string[], flags: RmFlags) =>
    withCacheToRemove(flags, terminal, (cache) => removeImages(images, flags, cache, terminal)),
  );
}

async function removeImages(images: readonly string[], flags: RmFlags, cache: OpenCache, terminal: Terminal) {
  const names = images.map((image) => parseImageName(image, cache.naming));
  const beforeMs = systemClock.now(); // what a server beside is pushed to from now on stays
  const inventory = await takeInventory(cache.index);
  await assertHere(names, inventory, cache);
  const removal = planImageRemoval(inventory, names);
  const { pins } = removal;
  if (pins.length > 0 && !flags.force) {
    const list = pins.map((pin) => imageNameOf(pin, cache.naming));
    throw new CommandFailure(`Pinned: ${list.join(', ')}; take the pin away with unpin, or remove with --force`);
  }
  const removed = flags.dryRun
    ? { contents: removal.contents.length, sizeBytes: removal.sizeBytes }
    : await applyImageRemoval(removal, {
        ...cache,
        hosted: {
          removeTag: (repository, tag, digest) => removeTag(cache, repository, tag, digest),
          removeUnused: (repository, digest) => removeUnused(cache, repository, digest, beforeMs),
        },
      });
  await cache.index.sync(); // nothing comes back of what was said to be removed
  const [removes, frees] = flags.dryRun ? ['Would remove', 'Would free'] : ['Removed', 'Freed'];
  for (const line of namesRemoved(names, removal, cache.naming)) terminal.writeOut(`${removes} ${line}\n`);
  const count = `${removed.contents} ${removed.contents === 1 ? 'content' : 'contents'}`;
  terminal.writeOut(`${frees} ${formatSize(removed.sizeBytes)}: ${count} that no other image has\n`);
}

function namesRemoved(names: readonly ImageName[], { tags }: ImageRemoval, naming: ImageNaming): string[] {
  const ofTags = tags.map(({ tag, ...key }) => imageNameOf({ ...key, reference: tag }, naming));
  const ofDigests = names
    .filter(({ reference }) => isDigestReference(reference))
    .map((name) => imageNameOf(name, naming));
  return [...new Set([...ofDigests, ...ofTags])];
}

/** A tag may be known, though what it stands for was never fetched: that is a name that can be removed. */
async function assertHere(
  names: readonly ImageName[],
  inventory: Inventory,
  { index, naming }: OpenCache,
): Promise<void> {
  for (const name of names) {
    if (findImage(inventory, name)) continue;
    const { registry, repository, reference } = name;
    if (!isDigestReference(reference) && (await index.getTag({ registry, repository }, reference))) continue;
    const written = imageNameOf(name, naming);
    const whole = inventory.images.find(
      (image) =>
        image.registry === registry && image.repository === repository && image.contents.has(reference as never),
    );
    if (whole === undefined) throw new CommandFailure(`Not here: ${written}; \`entrepot ls\` lists what is`);
    const other = imageNameOf({ registry, repository, reference: whole.tags[0] ?? whole.digest }, naming);
    throw new CommandFailure(`Cannot remove ${written} alone: it is a part of ${other}, remove that`);
  }
}
