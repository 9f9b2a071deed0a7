import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { type ExportedImage, type ExportPlan, planExport, writeExport } from '../../archive/export-images.ts';
import { storeHolding } from '../../archive/store-holding.ts';
import { type ImageName, imageNameOf, parseImageName } from '../../cache/images/image-names.ts';
import { formatSize } from '../../config/schema/values/size.ts';
import type { Descriptor } from '../../oci/manifest/image-contents.ts';
import { type PlatformChoice, parsePlatforms } from '../../oci/manifest/platform-choice.ts';
import { isDigestReference } from '../../oci/reference.ts';
import { CommandFailure } from '../command-failure.ts';
import { addConfigFlags, type ConfigFlags } from '../configuration/config-flags.ts';
import { type OpenCache, withCache } from '../open-cache.ts';
import { argument, collect } from '../terminal/flag-values.ts';
import { interruptible } from '../terminal/interruptible.ts';
import { plainText, type Terminal } from '../terminal/terminal.ts';
import { gatherImages, nothingNamed } from '../warm/image-arguments.ts';
import { showArchiveProgress } from './archive-progress.ts';
import { writeWholeFile } from './output-file.ts';

/** The flags of `entrepot export`. */
interface ExportFlags extends ConfigFlags {
  readonly output: string;
  readonly file?: readonly string[];
  readonly platform?: PlatformChoice;
  readonly json?: true;
}

const pageCount = 500;
/** In a repository with more manifests than this, what refers to an image is not looked for among the rest. */
const mostNeighbours = 5_000;

/** Adds `entrepot export`. */
export function addExportCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('export')
    .description(
      'Write images that are here into a file, with everything that they consist of and what refers to them, for ' +
        '`entrepot import`, skopeo (oci-archive:), ctr and docker. A server may be running beside.',
    )
    .argument('[IMAGE...]', 'names of images, such as nginx:1.27 or ghcr.io/owner/app@sha256:…')
    .requiredOption('-o, --output <FILE>', 'the file that is written')
    .option('-f, --file <FILE>', 'a file with one name on a line, # begins a comment; - is standard input', collect)
    .option(
      '--platform <PLATFORMS>',
      'the platforms that have to be in it, with commas between, or all; those that are here, unless given',
      argument(parsePlatforms),
    )
    .option('--json', 'print JSON: what is in the file');
  addConfigFlags(command).action((images: readonly string[], flags: ExportFlags) => run(images, flags, terminal));
}

async function run(images: readonly string[], flags: ExportFlags, terminal: Terminal): Promise<void> {
  const names = gatherImages({ images, files: flags.file ?? [], manifests: [] });
  if (names.length === 0)
    throw nothingNamed(flags.file, 'Cannot tell what to export: name images, or a file of names with -f');
  if (flags.output === '-') {
    throw new CommandFailure('Cannot write to standard output: a file takes its name when it is whole, so name one');
  }
  const plan = await withCache(flags, terminal, (cache) => exportImages(names, flags, cache, terminal));
  const { size: sizeBytes } = await stat(flags.output);
  terminal.writeOut(flags.json ? toJson(plan, flags.output, sizeBytes) : summary(plan, flags.output, sizeBytes));
}

async function exportImages(
  names: readonly string[],
  flags: ExportFlags,
  cache: OpenCache,
  terminal: Terminal,
): Promise<ExportPlan> {
  const parsed = names.map((name) => parseImageName(name, cache.naming));
  const found: ExportedImage[] = [];
  for (const name of new Map(parsed.map((one) => [imageNameOf(one, cache.naming), one])).values()) {
    found.push(await findImage(name, cache));
  }
  const tools = { store: cache.store, holding: storeHolding(cache.store) };
  const plan = await planExport(found, tools, flags.platform).catch((error: Error) => {
    const how = flags.platform === undefined ? '' : ' with the same --platform';
    throw new CommandFailure(`${error.message}; \`entrepot warm\`${how} fetches what is missing`);
  });
  const progress = showArchiveProgress(terminal, plan.sizeBytes, () => {});
  try {
    await interruptible(
      (signal) =>
        writeWholeFile(flags.output, (sink) =>
          writeExport(plan, tools, { sink, signal, wrote: (bytes) => progress.add(bytes) }).catch(explain),
        ),
      { message: () => 'Stopped: nothing was written' },
    );
  } finally {
    progress.end();
  }
  return plan;
}

function explain(error: unknown): never {
  if (error instanceof CommandFailure || !(error instanceof Error) || 'code' in error) throw error;
  throw new CommandFailure(error.message);
}

async function findImage(name: ImageName, { index, naming }: OpenCache): Promise<ExportedImage> {
  const { registry, repository, reference } = name;
  const key = { registry, repository };
  const tag = isDigestReference(reference) ? undefined : reference;
  const known = isDigestReference(reference)
    ? { digest: reference, mediaType: (await index.getLink(key, reference))?.mediaType }
    : await index.getTag(key, reference);
  const full = imageNameOf(name, naming);
  if (known?.mediaType === undefined) {
    throw new CommandFailure(`Cannot export ${full}: it is not here; \`entrepot warm ${full}\` fetches it`);
  }
  const neighbours: Awaited<ReturnType<typeof index.listManifests>> = [];
  for (let more = true; more && neighbours.length < mostNeighbours; ) {
    const page = await index.listManifests({ ...key, count: pageCount, after: neighbours.at(-1) });
    neighbours.push(...page);
    more = page.length === pageCount;
  }
  const manifest: Descriptor = { digest: known.digest, mediaType: known.mediaType, sizeBytes: undefined };
  return { name: full, tag, manifest, neighbours };
}

function summary({ images, parts }: ExportPlan, path: string, sizeBytes: number): string {
  const lines = images.map(({ name, tree, referrers }) => {
    const which = tree.platforms.length === 0 ? '' : ` (${plainText(tree.platforms.join(', '))})`;
    const not = tree.absent.length === 0 ? '' : `; not here: ${plainText(tree.absent.join(', '))}`;
    const with_ = referrers.length === 0 ? '' : `, with ${referrers.length} that refer to it`;
    return `Exported ${name}${which}${with_}${not}`;
  });
  return `${[...lines, `${path}: ${formatSize(sizeBytes)}, ${parts.length} contents`].join('\n')}\n`;
}

function toJson({ images, parts }: ExportPlan, file: string, sizeBytes: number): string {
  const told = images.map(({ name, manifest, tree, referrers }) => ({
    ...{ name, digest: manifest.digest, platforms: tree.platforms, absent: tree.absent },
    referrers: referrers.map(({ digest }) => digest),
  }));
  return `${JSON.stringify({ file, sizeBytes, contents: parts.length, images: told }, null, 2)}\n`;
}
