import type { HostedIndex } from '../../index/hosted-index.ts';
import type { MetadataIndex, RepositoryKey } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { MountOffer } from '../../oci/registry.ts';

/** So many repositories are looked at: a base layer may be in thousands, and mostly the first will do. */
const maxHolderCount = 1_000;

/**
 * A repository that has content, and that it may be taken from; undefined when there is none. Of the cached ones only
 * those that are known to be open: what upstream lets one client read is not to become everybody's by being pushed.
 */
export async function findHolder(
  index: Pick<HostedIndex, 'listHolders'> & Pick<MetadataIndex, 'getKind'>,
  digest: Digest,
  offer: MountOffer,
): Promise<RepositoryKey | undefined> {
  const { from } = offer;
  const holders = await index.listHolders(digest, maxHolderCount);
  for (const holder of holders) {
    const { registry, repository } = holder;
    // A cached repository has its own name here, or that of its registry before it, as in the path of a pull.
    const isMeant = from === undefined || from === repository || from === `${registry}/${repository}`;
    if (!isMeant || !offer.mayRead(registry, repository)) continue;
    if (registry === hostedRegistryName || (await index.getKind(holder)) === 'open') return holder;
  }
  return undefined;
}
