import type { HostedIndex } from '../../index/hosted-index.ts';
import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Repository } from '../../oci/reference.ts';

/**
 * Takes back a hold that nothing followed, as the push failed; unless somebody else holds the same since then. It never
 * rejects: a hold that stays, as the disk is full, is garbage.
 */
export async function undoHold(
  index: Pick<MetadataIndex, 'getLink'> & Pick<HostedIndex, 'removeBlob'>,
  repository: Repository,
  digest: Digest,
  heldAtMs: number,
): Promise<void> {
  try {
    const link = await index.getLink({ registry: hostedRegistryName, repository }, digest);
    if (link !== undefined && link.sizeBytes === undefined) await index.removeBlob(repository, digest, heldAtMs + 1);
  } catch {
    // The push has failed already, and says why.
  }
}

/** For a push whose hold somebody has taken away before it was noted: its file may have gone with that. */
export function removedMeanwhile(repository: Repository, digest: Digest): RegistryError {
  const what = `Cannot keep ${digest}: somebody removed it while it was being pushed to "${repository}"; push it again`;
  return new RegistryError('UNAVAILABLE', what, { status: 503, headers: { 'retry-after': '1' } });
}
