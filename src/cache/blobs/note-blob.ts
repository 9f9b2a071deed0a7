import type { RepositoryKey } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { CacheTools } from '../tools.ts';

/**
 * Writes to the index that the repository has a blob and, when its bytes are here, that they are: after the index was
 * lost it knows neither. False when it cannot be written, which is no reason to withhold the blob.
 */
export async function noteBlob(
  { index, clock, log }: Pick<CacheTools, 'index' | 'clock' | 'log'>,
  key: RepositoryKey,
  digest: Digest,
  sizeBytes: number | undefined,
): Promise<boolean> {
  try {
    if (sizeBytes !== undefined) await index.putContent(digest, sizeBytes, clock.now());
    await index.link(key, digest, undefined, clock.now());
    return true;
  } catch (error) {
    log.debug({ ...key, digest, reason: (error as Error).message }, 'blob is stored, but not in the index');
    return false;
  }
}
