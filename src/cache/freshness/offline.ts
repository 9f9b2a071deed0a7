import { type ErrorCode, RegistryError } from '../../oci/errors.ts';
import type { Registry } from '../../oci/registry.ts';

/**
 * A registry that has nothing and asks nobody: what stands in for upstream when only what is here is to be served. Its
 * answer is 404, upon which clients that know another registry go on to it.
 */
export function offlineRegistry(name: string): Registry {
  const refuse = async (code: ErrorCode, what: string): Promise<never> => {
    throw new RegistryError(
      code,
      `Cannot find ${what} of ${name} here, and this cache is offline: it asks no upstream`,
    );
  };
  return {
    resolveManifest: (repository, reference) => refuse('MANIFEST_UNKNOWN', `"${repository}" ${reference}`),
    getManifest: (repository, reference) => refuse('MANIFEST_UNKNOWN', `"${repository}" ${reference}`),
    statBlob: (repository, digest) => refuse('BLOB_UNKNOWN', `"${repository}" ${digest}`),
    getBlob: (repository, digest) => refuse('BLOB_UNKNOWN', `"${repository}" ${digest}`),
    listTags: (repository) => refuse('NAME_UNKNOWN', `the tags of "${repository}"`),
    listReferrers: (repository, digest) => refuse('MANIFEST_UNKNOWN', `the referrers of "${repository}" ${digest}`),
    listRepositories: () => refuse('NOT_FOUND', 'the repositories'),
  };
}
