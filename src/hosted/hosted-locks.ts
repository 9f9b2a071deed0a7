import type { Digest } from '../oci/digest.ts';
import type { Repository, Tag } from '../oci/reference.ts';
import type { NamedLock } from '../util/locks/shared-locks.ts';

/**
 * What is held while a manifest, or tags that stand for it, are written: the repository together with others, the
 * manifest and the tags alone.
 */
export function locksOf(repository: Repository, digest: Digest, tags: readonly Tag[]): NamedLock[] {
  return [...locksOfTags(repository, tags), { name: `${repository}@${digest}`, shared: false }];
}

/** What is held while tags are removed. */
export function locksOfTags(repository: Repository, tags: readonly Tag[]): NamedLock[] {
  const ofTags = tags.map((tag) => ({ name: `${repository}:${tag}`, shared: false }));
  return [{ name: repository, shared: true }, ...ofTags];
}

/** What is held while a manifest is removed: it takes tags along that are not known before. */
export function lockOfRepository(repository: Repository): NamedLock[] {
  return [{ name: repository, shared: false }];
}
