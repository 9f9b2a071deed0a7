import type { HostedIndex } from '../../index/hosted-index.ts';
import type { RepositoryKey } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { MountOffer } from '../../oci/registry.ts';

/** So many repositories are looked at: a base layer may be in thousands, and mostly the first will do. */
const maxHolderCount = 1_000;

/** A repository that has content, and that it may be taken from; undefined when there is none. */
export async function findHolder(
  index: Pick<HostedIndex, 'listHolders'>,
  digest: Digest,
  offer: MountOffer,
): Promise<RepositoryKey | undefined> {
  const { from } = offer;
  const holders = await index.listHolders(digest, maxHolderCount);
  return holders.find(({ registry, repository }) => {
    // A cached repository has its own name here, or that of its registry before it, as in the path of a pull.
    const isMeant = from === undefined || from === repository || from === `${registry}/${repository}`;
    return isMeant && offer.mayRead(registry, repository);
  });
}
