import type { Command } from 'commander';
import { parseImageName, shownRegistry } from '../../cache/images/image-names.ts';
import type { SettingsConfig } from '../../config/config.ts';
import { parseCount } from '../../config/schema/values/count.ts';
import { formatSize } from '../../config/schema/values/size.ts';
import { isDigest } from '../../oci/digest.ts';
import { ownPlatform, type PlatformChoice, parsePlatforms } from '../../oci/manifest/platform-choice.ts';
import { systemClock } from '../../util/time/clock.ts';
import { type WantedImage, type WarmedImage, warmImages } from '../../warm/warm-images.ts';
import { CommandFailure } from '../command-failure.ts';
import { addConfigFlags, type ConfigFlags, loadConfigOf, loadSettingsOf } from '../configuration/config-flags.ts';
import { namingOf } from '../open-cache.ts';
import { argument, collect } from '../terminal/flag-values.ts';
import { interruptible } from '../terminal/interruptible.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { gatherImages, nothingNamed } from './image-arguments.ts';
import { openWarmSource, type ServerFlags } from './open-warm-source.ts';
import { showWarmProgress } from './warm-progress.ts';

/** The flags of `entrepot warm`. */
interface WarmFlags extends ConfigFlags, ServerFlags {
  readonly file?: readonly string[];
  readonly fromKubernetes?: readonly string[];
  readonly platform?: PlatformChoice;
  readonly concurrency?: number;
  readonly json?: true;
}

const defaultConcurrency = 4;

/** Adds `entrepot warm`. */
export function addWarmCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('warm')
    .description(
      'Fetch images before anybody pulls them, through the server that runs here or at --address and, without one, into ' +
        'the data folder. What is here already is not transferred.',
    )
    .argument('[IMAGE...]', 'names of images, such as nginx:1.27 or ghcr.io/owner/app@sha256:…')
    .option('-f, --file <FILE>', 'a file with one name on a line, # begins a comment; - is standard input', collect)
    .option(
      '--from-kubernetes <PATH>',
      'a file or folder of Kubernetes resources (YAML, JSON), all images in them; - is standard input',
      collect,
    )
    .option(
      '--platform <PLATFORMS>',
      'which of an image’s platforms, with commas between, or all with their attestations (linux on this machine’s ' +
        'architecture, unless given)',
      argument(parsePlatforms),
    )
    .option(
      '--concurrency <COUNT>',
      `how many blobs at a time (${defaultConcurrency}, unless given)`,
      argument(parseCount),
    )
    .option(
      '--address <URL>',
      'the registry door of the server, such as http://cache.example:5000; a host alone has the port of the door in the ' +
        'configuration',
    )
    .option('--login <FILE>', 'a file that holds name:password, for a server that asks for a login')
    .option('--tls-ca <FILE>', 'the authority of the server’s certificate')
    .option('--tls-cert <FILE>', 'the certificate to show to a server that wants one')
    .option('--tls-key <FILE>', 'the key of --tls-cert')
    .option('--json', 'print JSON: what became of each image');
  addConfigFlags(command).action((images: readonly string[], flags: WarmFlags) => run(images, flags, terminal));
}

async function run(images: readonly string[], flags: WarmFlags, terminal: Terminal): Promise<void> {
  const config = loadSettingsOf(flags, terminal);
  const names = gatherImages({ images, files: flags.file ?? [], manifests: flags.fromKubernetes ?? [] });
  if (names.length === 0) {
    const files = [...(flags.file ?? []), ...(flags.fromKubernetes ?? [])];
    throw nothingNamed(files, 'Cannot tell what to fetch: name images, or where they are named: -f, --from-kubernetes');
  }
  const { wanted, unread } = readNames(names, config);
  const warmed = [...unread, ...(await warmAll(wanted, unread, config, flags, terminal))];
  if (flags.json) terminal.writeOut(`${JSON.stringify({ images: warmed }, null, 2)}\n`);
  else terminal.writeOut(`${summary(warmed)}\n`);
  const failed = warmed.filter(({ error }) => error !== undefined).length;
  if (failed > 0) throw new CommandFailure(`Not warm: ${failed} of ${warmed.length} images`);
}

/** The images that are meant. A name in a list that is none keeps no other from being fetched. */
function readNames(names: readonly string[], config: SettingsConfig): { wanted: WantedImage[]; unread: WarmedImage[] } {
  const naming = namingOf(config);
  const wanted: WantedImage[] = [];
  const unread: WarmedImage[] = [];
  for (const text of names) {
    try {
      const { registry, repository, reference } = parseImageName(text, naming);
      const name = `${shownRegistry(registry, naming)}/${repository}${isDigest(reference) ? '@' : ':'}${reference}`;
      wanted.push({ name, registry, repository, reference });
    } catch (error) {
      const nothing = { digest: undefined, platforms: [], contents: 0, fetchedBytes: 0, presentBytes: 0 };
      unread.push({ name: text, ...nothing, error: (error as Error).message });
    }
  }
  return { wanted, unread };
}

async function warmAll(
  wanted: readonly WantedImage[],
  unread: readonly WarmedImage[],
  config: SettingsConfig,
  flags: WarmFlags,
  terminal: Terminal,
): Promise<WarmedImage[]> {
  const source = await openWarmSource(config, () => loadConfigOf(flags, terminal).config, flags, terminal);
  const say = (line: string) => {
    if (!flags.json) terminal.writeOut(`${line}\n`);
  };
  const progress = showWarmProgress(terminal, say);
  try {
    for (const image of unread) progress.finished(image);
    const tools = {
      ...source,
      platforms: flags.platform ?? [ownPlatform()],
      concurrency: flags.concurrency ?? defaultConcurrency,
      ...{ clock: systemClock, observer: progress },
    };
    return await interruptible((signal) => warmImages(wanted, tools, signal), {
      message: () => 'Stopped: what was fetched until now is kept',
    });
  } finally {
    progress.end();
    await source.close();
  }
}

function summary(images: readonly WarmedImage[]): string {
  const sum = (read: (image: WarmedImage) => number) => images.reduce((total, image) => total + read(image), 0);
  const fetched = formatSize(sum(({ fetchedBytes }) => fetchedBytes));
  const present = formatSize(sum(({ presentBytes }) => presentBytes));
  const warm = images.filter(({ error }) => error === undefined).length;
  return `${warm} of ${images.length} images are warm: ${fetched} fetched, ${present} were here`;
}
