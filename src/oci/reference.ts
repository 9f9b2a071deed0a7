import { type Digest, isDigest, parseDigest } from './digest.ts';
import { RegistryError } from './errors.ts';

/** The name of a repository within its registry: `library/alpine`. Made only by `parseRepository`. */
export type Repository = string & { readonly brand: 'Repository' };

/** The name of a tag. Made only by `parseTag`. */
export type Tag = string & { readonly brand: 'Tag' };

/** What a manifest is asked for by. */
export type Reference = Tag | Digest;

// Distribution spec, "Pulling manifests". Each separator is followed by a character that is none, so no input backtracks.
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const maxRepositoryLength = 255; // what many clients limit host and name to, together

/**
 * Parses the name of a repository.
 * @throws RegistryError NAME_INVALID
 */
export function parseRepository(text: string): Repository {
  if (text.length <= maxRepositoryLength && repositoryPattern.test(text)) return text as Repository;
  throw new RegistryError(
    'NAME_INVALID',
    `Cannot read repository name "${text.slice(0, 300)}": it has lower-case letters and digits, "/" between its parts, and ".", "_", "__" or "-" within them`,
  );
}

/**
 * Parses a tag.
 * @throws RegistryError TAG_INVALID
 */
export function parseTag(text: string): Tag {
  if (tagPattern.test(text)) return text as Tag;
  throw new RegistryError(
    'TAG_INVALID',
    `Cannot read tag "${text.slice(0, 200)}": it has up to 128 letters, digits, ".", "_" and "-", and begins with none of the last two`,
  );
}

/**
 * Parses a tag or a digest: a colon makes it a digest, as no tag has one.
 * @throws RegistryError TAG_INVALID or DIGEST_INVALID
 */
export function parseReference(text: string): Reference {
  return text.includes(':') ? parseDigest(text) : parseTag(text);
}

/**
 * Parses the reference of what should be there: the spec has 404 for what is not, and nothing is there by what can be no tag.
 * @throws RegistryError MANIFEST_UNKNOWN or DIGEST_INVALID
 */
export function parseHeldReference(text: string): Reference {
  if (text.includes(':') || tagPattern.test(text)) return parseReference(text);
  const shown = text.slice(0, 200);
  throw new RegistryError(
    'MANIFEST_UNKNOWN',
    `Nothing is tagged "${shown}": no tag is like that, see the spec's grammar`,
  );
}

/** Whether the reference is a digest, whose content never changes. */
export function isDigestReference(reference: Reference): reference is Digest {
  return isDigest(reference);
}
