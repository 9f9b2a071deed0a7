import type { HostedIndex } from '../../index/hosted-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';

/**
 * Keeps content from being collected as garbage for the grace time. It comes before content is said to be there: what was
 * removed before is not found then. An index that cannot be written to is no reason not to answer; neither can links be
 * removed from it.
 */
export async function renewLink(
  index: Pick<HostedIndex, 'renew'>,
  repository: Repository,
  digest: Digest,
  nowMs: number,
): Promise<void> {
  await index.renew(repository, digest, nowMs).catch(() => {});
}
