import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobStore } from '../../store/blob-store.ts';

/** What content is forgotten in that is missing. */
export interface ForgetTools {
  readonly store: Pick<BlobStore, 'size'>;
  readonly index: Pick<MetadataIndex, 'removeContent' | 'putContent'>;
}

/**
 * Forgets content that has no file; false when it has one. In this process a writer notes its content after this, as its
 * own last step. Another process may have done so between the look and the removal, which waits for that one: then it is
 * noted again, as what was acknowledged is not to be lost.
 */
export async function forgetMissing({ store, index }: ForgetTools, digest: Digest, usedAtMs: number): Promise<boolean> {
  if ((await store.size(digest)) !== undefined) return false;
  await index.removeContent(digest);
  const sizeBytes = await store.size(digest);
  if (sizeBytes === undefined) return true;
  await index.putContent(digest, sizeBytes, usedAtMs);
  return false;
}
