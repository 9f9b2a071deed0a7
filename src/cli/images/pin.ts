import type { Command } from 'commander';
import {
  findRegistry,
  type ImageName,
  type ImageNaming,
  imageNameOf,
  parseImageName,
} from '../../cache/images/image-names.ts';
import { findImage } from '../../cache/images/image-removal.ts';
import { takeInventory } from '../../cache/images/inventory.ts';
import { isDigestReference } from '../../oci/reference.ts';
import { CommandFailure } from '../command-failure.ts';
import { addConfigFlags, type ConfigFlags } from '../configuration/config-flags.ts';
import { type OpenCache, withCache } from '../open-cache.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** Adds `entrepot pin`. */
export function addPinCommand(program: Command, terminal: Terminal): void {
  const pin = program
    .command('pin')
    .description('Keep images though nobody pulls them: a tag with whatever it stands for, or a digest. Alone, list.')
    .argument('[IMAGE...]', 'names of images, such as nginx:1.27 or ghcr.io/owner/app@sha256:…');
  addConfigFlags(pin).action((images: readonly string[], flags: ConfigFlags) =>
    withCache(flags, terminal, (cache) =>
      images.length === 0 ? listPins(cache, terminal) : pinImages(images, cache, terminal),
    ),
  );
}

/** Adds `entrepot unpin`. */
export function addUnpinCommand(program: Command, terminal: Terminal): void {
  const unpin = program
    .command('unpin')
    .description('Let images go again when room is made.')
    .argument('<IMAGE...>', 'names of images that are pinned');
  addConfigFlags(unpin).action((images: readonly string[], flags: ConfigFlags) =>
    withCache(flags, terminal, (cache) => unpinImages(images, cache, terminal)),
  );
}

async function listPins({ index, naming }: OpenCache, terminal: Terminal): Promise<void> {
  const pins = await index.listPins();
  for (const pin of pins) terminal.writeOut(`${imageNameOf(pin, naming)}\n`);
  if (pins.length === 0) terminal.writeError('Nothing is pinned\n');
}

async function pinImages(images: readonly string[], cache: OpenCache, terminal: Terminal): Promise<void> {
  const names = images.map((image) => parseImageName(image, cache.naming));
  for (const name of names) assertConfigured(name, cache.naming);
  const inventory = await takeInventory(cache.index);
  for (const name of names) {
    const { registry, repository, reference } = name;
    await cache.index.pin({ registry, repository }, reference);
    const isHere =
      findImage(inventory, name) ?? (isDigestReference(reference) && (await cache.index.getContent(reference)));
    const note = isHere ? '' : '; it is not here yet, and will be kept when it was pulled';
    terminal.writeOut(`Pinned ${imageNameOf(name, cache.naming)}${note}\n`);
  }
}

/** A pin of what can never be pulled would be a slip of the pen. */
function assertConfigured({ registry }: ImageName, naming: ImageNaming): void {
  if (findRegistry(registry, naming)) return;
  throw new CommandFailure(`Cannot pin an image of "${registry}": no upstream of this name is configured`);
}

async function unpinImages(images: readonly string[], cache: OpenCache, terminal: Terminal): Promise<void> {
  const missing: string[] = [];
  for (const image of images.map((text) => parseImageName(text, cache.naming))) {
    const { registry, repository, reference } = image;
    const name = imageNameOf(image, cache.naming);
    if (await cache.index.unpin({ registry, repository }, reference)) terminal.writeOut(`Unpinned ${name}\n`);
    else missing.push(name);
  }
  if (missing.length > 0) {
    throw new CommandFailure(`Not pinned: ${missing.join(', ')}; \`entrepot pin\` without a name lists what is`);
  }
}
