import type { RepositoryKey } from '../../index/metadata-index.ts';
import { isDigest } from '../../oci/digest.ts';
import { parseReference, parseRepository, parseTag, type Reference } from '../../oci/reference.ts';

/** A registry, by everything that people call it. */
export interface NamedRegistry {
  /** The name under which its content is kept. */
  readonly name: string;
  readonly alias: string;
  readonly names: readonly string[];
  /** Whether it is Docker Hub, where `alpine` means `library/alpine`. */
  readonly dockerHub: boolean;
  /** What people are shown for it; its name, unless given. */
  readonly shown?: string | undefined;
}

/** How the names that people write are read. */
export interface ImageNaming {
  readonly registries: readonly NamedRegistry[];
  /** The name of the registry of a name that has none. */
  readonly default: string | undefined;
}

/** An image, by what people call it. */
export interface ImageName extends RepositoryKey {
  readonly reference: Reference;
}

/** The parts of a name, as they stand there. */
export interface NameParts {
  /** The registry's own name; undefined when there is none, and no default. */
  readonly registry: string | undefined;
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/**
 * Takes the name of an image apart, or a pattern of such names: whether the first component is a registry is decided as
 * docker does it, by a dot or a colon in it.
 */
export function splitImageName(text: string, naming: ImageNaming): NameParts {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const name = at < 0 ? text : text.slice(0, at);
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  const tag = colon < 0 ? undefined : name.slice(colon + 1);
  const path = colon < 0 ? name : name.slice(0, colon);
  const slash = path.indexOf('/');
  const first = slash < 0 ? '' : path.slice(0, slash);
  if (/[.:]/.test(first) || first === 'localhost') {
    const { name: registry, dockerHub } = findRegistry(first, naming) ?? { name: first, dockerHub: false };
    return { registry, repository: official(path.slice(slash + 1), dockerHub), tag, digest };
  }
  const fallback = naming.registries.find(({ name: known }) => known === naming.default);
  return { registry: fallback?.name, repository: official(path, fallback?.dockerHub === true), tag, digest };
}

// A star in front stands for what is before the slash, too.
function official(repository: string, dockerHub: boolean): string {
  return dockerHub && !repository.includes('/') && !repository.startsWith('*') ? `library/${repository}` : repository;
}

/** The registry of any of its names. */
export function findRegistry(text: string, { registries }: ImageNaming): NamedRegistry | undefined {
  const wanted = text.toLowerCase();
  return registries.find(({ name, alias, names }) => [name, alias, ...names].includes(wanted));
}

/**
 * Reads the name of an image as people write it: `nginx`, `nginx:1.27`, `ghcr.io/owner/app@sha256:…`. Without a tag or
 * digest it is `latest`; with both, the digest counts.
 * @throws Error with the code `IMAGE_NAME`, which says what is wrong with it
 */
export function parseImageName(text: string, naming: ImageNaming): ImageName {
  const { registry, repository, tag, digest } = splitImageName(text, naming);
  if (registry === undefined) throw wrongName(text, 'it names no registry, and there is no default');
  try {
    const reference = digest === undefined ? parseTag(tag ?? 'latest') : parseReference(digest);
    if (digest !== undefined && !isDigest(digest)) throw new Error('after "@" a digest is expected');
    return { registry, repository: parseRepository(repository), reference };
  } catch (error) {
    throw wrongName(text, (error as Error).message);
  }
}

function wrongName(text: string, why: string): Error {
  const message = `Cannot read the image "${text.slice(0, 300)}": ${why}; expected such as nginx:1.27 or ghcr.io/owner/app@sha256:…`;
  return Object.assign(new Error(message), { code: 'IMAGE_NAME' });
}

/** The name of an image in full, as it can be given to a tool again. */
export function imageNameOf({ registry, repository, reference }: ImageName, naming: ImageNaming): string {
  return `${shownRegistry(registry, naming)}/${repository}${isDigest(reference) ? '@' : ':'}${reference}`;
}

/** What people are shown for a registry. */
export function shownRegistry(registry: string, { registries }: ImageNaming): string {
  return registries.find(({ name }) => name === registry)?.shown ?? registry;
}
