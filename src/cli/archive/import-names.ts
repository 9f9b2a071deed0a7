import { subjectOf } from '../../archive/export-images.ts';
import type { Referrers } from '../../archive/import-image.ts';
import type { LayoutImage } from '../../archive/oci-layout.ts';
import type { ImageArchive } from '../../archive/open-archive.ts';
import { findRegistry, type ImageName, type ImageNaming, parseImageName } from '../../cache/images/image-names.ts';
import type { Digest } from '../../oci/digest.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Descriptor } from '../../oci/manifest/image-contents.ts';
import { isDigestReference, parseRepository, parseTag } from '../../oci/reference.ts';
import { CommandFailure } from '../command-failure.ts';

/** An image of an archive, and what it is to be called here. */
export interface NamedImage {
  readonly manifest: Descriptor;
  readonly name: ImageName;
}

/** How the images of an archive are to be named. */
export interface NamingFlags {
  /** The name of the one that there is. */
  readonly name?: string;
  /** Where they are put in the hosted registry: a name, or in front of theirs when it ends in a slash. */
  readonly hosted?: string;
}

/** The images of an archive by their names here, and what has none and refers to them. */
export interface ArchiveNames {
  readonly images: readonly NamedImage[];
  readonly referrers: Referrers;
}

/**
 * Names the images of an archive.
 * @throws CommandFailure that says which has no name, or one that cannot be used
 */
export async function nameImages(
  archive: ImageArchive,
  flags: NamingFlags,
  naming: ImageNaming,
): Promise<ArchiveNames> {
  const referrers = await referrersOf(archive);
  const unnamed = new Set([...referrers.values()].flat().map(({ digest }) => digest));
  const images = archive.images.filter((image) => hasName(image) || !unnamed.has(image.manifest.digest));
  const count = new Set(images.map(({ manifest }) => manifest.digest)).size;
  if (count === 0) throw new CommandFailure('Cannot import anything: the archive lists no image');
  const isOne = count === 1;
  if (flags.name !== undefined && !isOne) {
    throw new CommandFailure(
      `Cannot call it ${flags.name}: the archive has ${count} images; without --name each has its own`,
    );
  }
  const used = flags.name === undefined ? images : images.slice(0, 1);
  return { images: used.map((image) => nameImage(image, isOne, flags, naming)), referrers };
}

/** What has no name, and refers to something else that is in the archive. */
async function referrersOf(archive: ImageArchive): Promise<Referrers> {
  const unnamed = archive.images.filter((image) => !hasName(image)).map(({ manifest }) => manifest);
  const found = new Map<Digest, Descriptor[]>();
  // Each is read once, however often it is listed.
  for (const manifest of new Map(unnamed.map((each) => [each.digest, each])).values()) {
    const subject = subjectOf(await archive.readManifest(manifest.digest)) as Digest | undefined;
    if (subject === undefined || (await archive.sizeOf(subject)) === undefined) continue;
    const others = found.get(subject);
    if (others) others.push(manifest);
    else found.set(subject, [manifest]);
  }
  return found;
}

function hasName({ name, reference }: LayoutImage): boolean {
  return name !== undefined || reference !== undefined;
}

function nameImage(image: LayoutImage, isOne: boolean, flags: NamingFlags, naming: ImageNaming): NamedImage {
  const { manifest } = image;
  const own = flags.name ?? image.name ?? (/[/:]/.test(image.reference ?? '') ? image.reference : undefined);
  const name = flags.hosted === undefined ? undefined : hostedName(flags.hosted, own, image, isOne, naming);
  if (name !== undefined) return { manifest, name };
  if (own === undefined) {
    const called = image.reference === undefined ? '' : `, only "${image.reference}"`;
    throw new CommandFailure(
      `Cannot tell what ${manifest.digest} is: the archive has no full name for it${called}; give one with --name`,
    );
  }
  const parsed = parseImageName(own, naming);
  if (findRegistry(parsed.registry, naming) === undefined) {
    throw new CommandFailure(
      `Cannot import ${own}: no upstream is called ${parsed.registry}; configure it, or use --hosted`,
    );
  }
  if (isDigestReference(parsed.reference) && parsed.reference !== manifest.digest) {
    throw new CommandFailure(`Cannot import ${own}: the archive has ${manifest.digest} under this name`);
  }
  return { manifest, name: parsed };
}

function hostedName(
  hosted: string,
  own: string | undefined,
  image: LayoutImage,
  isOne: boolean,
  naming: ImageNaming,
): ImageName {
  const isFolder = hosted.endsWith('/');
  if (!isFolder && !isOne) {
    throw new CommandFailure(
      `Cannot put all images under "${hosted}": end it with a slash to put each below it by its own name`,
    );
  }
  const parsed = own === undefined ? undefined : parseImageName(own, naming);
  if (isFolder && parsed === undefined) {
    throw new CommandFailure(
      `Cannot put ${image.manifest.digest} below "${hosted}": the archive has no full name for it`,
    );
  }
  // A port is no part of the name of a repository.
  const path = isFolder ? `${hosted}${parsed?.registry.replaceAll(':', '-')}/${parsed?.repository}` : hosted;
  const [, repository = '', tag] = /^(.*?)(?::([^:/]*))?$/.exec(path) ?? [];
  try {
    const reference = tag ?? parsed?.reference ?? image.reference ?? 'latest';
    return {
      registry: hostedRegistryName,
      repository: parseRepository(repository),
      reference: reference === image.manifest.digest ? image.manifest.digest : parseTag(reference),
    };
  } catch (error) {
    throw new CommandFailure(`Cannot use --hosted "${hosted}": ${(error as Error).message}`);
  }
}
