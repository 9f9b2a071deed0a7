import type { MetadataIndex } from '../index/metadata-index.ts';
import { RegistryError } from '../oci/errors.ts';
import { hostedRegistryName } from '../oci/hosted.ts';
import type { Reference, Repository } from '../oci/reference.ts';

type Repositories = Pick<MetadataIndex, 'listRepositories'>;

/** The error for a manifest that is not there: NAME_UNKNOWN when the repository has nothing at all. */
export async function unknownManifest(
  index: Repositories,
  repository: Repository,
  reference: Reference,
): Promise<RegistryError> {
  if (!(await hasAnything(index, repository))) return unknownName(repository);
  const what = `The repository "${repository}" has no manifest "${reference}"`;
  return new RegistryError('MANIFEST_UNKNOWN', what, { detail: { reference } });
}

/** The error for a repository that has nothing. */
export function unknownName(repository: Repository): RegistryError {
  return new RegistryError('NAME_UNKNOWN', `There is no repository "${repository}"`, { detail: { repository } });
}

/** Whether a repository has anything: a blob is enough. */
export async function hasAnything(index: Repositories, repository: Repository): Promise<boolean> {
  const after = { registry: hostedRegistryName, repository: justBefore(repository) };
  const [next] = await index.listRepositories(hostedRegistryName, { count: 1, after });
  return next?.repository === repository;
}

/** What comes before a name in the order of names, and after all other names that do: no name has a "~", the last of all. */
function justBefore(repository: Repository): Repository {
  const last = String.fromCharCode(repository.charCodeAt(repository.length - 1) - 1);
  return `${repository.slice(0, -1)}${last}~` as Repository;
}
