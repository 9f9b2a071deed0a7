import { isRefusedByRegistry, type RegistryError } from '../../../oci/errors.ts';
import type { Reference, Repository } from '../../../oci/reference.ts';
import type { Registry } from '../../../oci/registry.ts';
import type { RepositoryKinds } from './repository-kinds.ts';

/** Is told that upstream refused a repository; by the reference that was asked for, if any. */
export type Refused = (
  repository: Repository,
  refusal: RegistryError,
  reference: Reference | undefined,
) => Promise<void>;

/**
 * The same registry, asked as our own identity: what it answers, and what it refuses, tells of what kind a repository is.
 * That something is not there tells nothing.
 */
export function learnKinds(
  registry: Registry,
  kinds: Pick<RepositoryKinds, 'moment' | 'seenOpen'>,
  refused: Refused,
): Registry {
  async function ask<T>(repository: Repository, reference: Reference | undefined, work: () => Promise<T>): Promise<T> {
    const askedAt = kinds.moment();
    let answer: T;
    try {
      answer = await work();
    } catch (error) {
      if (isRefusedByRegistry(error)) await refused(repository, error, reference);
      throw error;
    }
    await kinds.seenOpen(repository, askedAt);
    return answer;
  }

  return {
    resolveManifest: (repository, reference, signal) =>
      ask(repository, reference, () => registry.resolveManifest(repository, reference, signal)),
    getManifest: (repository, reference, signal) =>
      ask(repository, reference, () => registry.getManifest(repository, reference, signal)),
    statBlob: (repository, digest, signal) =>
      ask(repository, undefined, () => registry.statBlob(repository, digest, signal)),
    getBlob: (repository, digest, range, signal) =>
      ask(repository, undefined, () => registry.getBlob(repository, digest, range, signal)),
    listTags: (repository, page, signal) =>
      ask(repository, undefined, () => registry.listTags(repository, page, signal)),
    listReferrers: (repository, digest, query, signal) =>
      ask(repository, undefined, () => registry.listReferrers(repository, digest, query, signal)),
    listRepositories: (page, signal) => registry.listRepositories(page, signal),
  };
}
