import { type FileHandle, open } from 'node:fs/promises';
import type { Command } from 'commander';
import { type ImportedImage, importImage } from '../../archive/import-image.ts';
import { cacheTarget } from '../../archive/import-into-cache.ts';
import { hostedTarget } from '../../archive/import-into-hosted.ts';
import { ArchiveError, type ImageArchive, openArchive } from '../../archive/open-archive.ts';
import { type ImageNaming, imageNameOf } from '../../cache/images/image-names.ts';
import { formatSize } from '../../config/schema/values/size.ts';
import type { LocalCache } from '../../local-cache.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import { isDigestReference } from '../../oci/reference.ts';
import { systemReason } from '../../util/system/system-reason.ts';
import { systemClock } from '../../util/time/clock.ts';
import { CommandFailure } from '../command-failure.ts';
import { addConfigFlags, type ConfigFlags, loadConfigOf } from '../configuration/config-flags.ts';
import { assertOwnFolder } from '../foreign-folder.ts';
import { namingOf } from '../open-cache.ts';
import { interruptible } from '../terminal/interruptible.ts';
import { plainText, type Terminal } from '../terminal/terminal.ts';
import { type ArchiveProgress, showArchiveProgress } from './archive-progress.ts';
import { type ArchiveNames, type NamedImage, type NamingFlags, nameImages } from './import-names.ts';

/** The flags of `entrepot import`. */
interface ImportFlags extends ConfigFlags, NamingFlags {
  readonly pin: boolean;
  readonly json?: true;
}

/** An image by its name, and what became of it. */
type Report = { readonly name: string } & (ImportedImage | { readonly error: string });

/** Adds `entrepot import`. */
export function addImportCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('import')
    .description(
      'Put the images of a file here, as if they had been pulled: of `entrepot export`, skopeo (oci-archive:), `docker save` ' +
        '(25 or newer), ctr or BuildKit. They are pinned. A server may be running beside.',
    )
    .argument('<FILE>', 'the file: an image layout of OCI in a tar archive, not compressed')
    .option('--name <IMAGE>', 'what the image is called, when the file has one and does not say')
    .option(
      '--hosted <NAME>',
      'put it into the hosted registry under this name; all of them below it, when it ends in a slash',
    )
    .option('--no-pin', 'let them go again when room is made')
    .option('--json', 'print JSON: what became of each image');
  addConfigFlags(command).action((path: string, flags: ImportFlags) => run(path, flags, terminal));
}

async function run(path: string, flags: ImportFlags, terminal: Terminal): Promise<void> {
  const { config } = loadConfigOf(flags, terminal);
  const naming = namingOf(config);
  const file = await openFile(path);
  try {
    const source = await readable(file, path);
    const archive = await openArchive(source).catch((error: unknown) => explain(error, path));
    const names = await nameImages(archive, flags, naming).catch((error: unknown) => explain(error, path));
    assertOwnFolder(config.data);
    const { openLocalCache } = await import('../../local-cache.ts');
    // Nobody is asked: whatever is in the file is taken from there.
    const local = await openLocalCache({ ...config, offline: true });
    const reports = await importAll(archive, names, {
      ...{ flags, local, naming, terminal },
      totalBytes: source.sizeBytes,
    }).finally(() => local.close());
    if (flags.json) terminal.writeOut(`${JSON.stringify({ images: reports }, null, 2)}\n`);
    const failed = reports.filter((report) => 'error' in report).length;
    if (failed > 0) throw new CommandFailure(`Not imported: ${failed} of ${reports.length} images`);
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  if (path === '-') {
    throw new CommandFailure('Cannot import from standard input: what is in the file is not in order, so name a file');
  }
  try {
    return await open(path, 'r');
  } catch (error) {
    throw new CommandFailure(`Cannot read "${path}": ${systemReason(error) ?? String(error)}`);
  }
}

async function readable(file: FileHandle, path: string) {
  const found = await file.stat();
  if (!found.isFile()) throw new CommandFailure(`Cannot read "${path}": it is no file that can be read at any place`);
  const read = async (into: Uint8Array, position: number) =>
    (await file.read(into, 0, into.length, position)).bytesRead;
  return { sizeBytes: found.size, read };
}

/** Which file it was: whoever imports several, or by a pattern of the shell, does not know. */
function explain(error: unknown, path: string): never {
  throw error instanceof ArchiveError ? new CommandFailure(`"${path}": ${error.message}`) : error;
}

interface Import {
  readonly flags: ImportFlags;
  readonly local: LocalCache;
  readonly naming: ImageNaming;
  readonly terminal: Terminal;
  /** About what there is to do. */
  readonly totalBytes: number;
}

async function importAll(archive: ImageArchive, { images, referrers }: ArchiveNames, work: Import): Promise<Report[]> {
  const { flags, naming, terminal, totalBytes } = work;
  const progress = showArchiveProgress(terminal, totalBytes, (line) => {
    if (!flags.json) terminal.writeOut(`${line}\n`);
  });
  const reports: Report[] = [];
  try {
    await interruptible(
      async (signal) => {
        for (const image of images) {
          const name = imageNameOf(image.name, naming);
          const report = await importOne(archive, image, { ...work, referrers, progress, signal }).then(
            (imported): Report => ({ name, ...imported }),
            (error: Error): Report => {
              signal.throwIfAborted();
              return { name, error: error.message };
            },
          );
          reports.push(report);
          progress.say(describe(report));
        }
      },
      { message: () => 'Stopped: images that were said to be imported are here' },
    );
  } finally {
    progress.end();
  }
  return reports;
}

async function importOne(
  archive: ImageArchive,
  { manifest, name }: NamedImage,
  work: Import & {
    readonly referrers: ArchiveNames['referrers'];
    readonly progress: ArchiveProgress;
    readonly signal: AbortSignal;
  },
): Promise<ImportedImage> {
  const { flags, local, referrers, progress, signal } = work;
  const { registry, repository, reference } = name;
  const { store, index } = local.disk;
  const tools = { store, index, local: local.cache.local, space: local.cache.space, clock: systemClock };
  const target =
    registry === hostedRegistryName
      ? { ...hostedTarget(local.hosted, repository), release() {} }
      : cacheTarget({ registry, repository }, { ...tools, isPinned: flags.pin });
  const tag = isDigestReference(reference) ? undefined : reference;
  try {
    return await importImage(archive, { manifest, tag, referrers }, target, {
      signal,
      took: (bytes) => progress.add(bytes),
    });
  } finally {
    target.release();
  }
}

function describe(report: Report): string {
  if ('error' in report) return `Failed ${report.name}: ${plainText(report.error)}`;
  const { name, platforms, absent, storedBytes, presentBytes } = report;
  const which = platforms.length === 0 ? '' : ` (${plainText(platforms.join(', '))})`;
  const parts = [
    ...(storedBytes > 0 ? [`${formatSize(storedBytes)} stored`] : []),
    ...(presentBytes > 0 || storedBytes === 0 ? [`${formatSize(presentBytes)} were here`] : []),
  ];
  const not = absent.length === 0 ? '' : `; not in the file: ${plainText(absent.join(', '))}`;
  return `Imported ${name}${which}: ${parts.join(', ')}${not}`;
}
