import type { HostedIndex } from '../../../index/hosted-index.ts';
import type { Digest } from '../../../oci/digest.ts';
import type { BlobStore } from '../../../store/blob-store.ts';

/** What the file of content is removed from. */
export interface FileRemovalTools {
  readonly index: Pick<HostedIndex, 'listUnlinked'>;
  readonly store: Pick<BlobStore, 'open'>;
}

/**
 * Removes the file of content that the index has forgotten. What was put in its place meanwhile stays: whoever pushes
 * links first and then puts a new file in place. So a file that was opened before the index was asked is the old one
 * when nothing is linked, and no other is removed than that which was opened.
 */
export async function removeForgottenFile({ index, store }: FileRemovalTools, digest: Digest): Promise<void> {
  const blob = await store.open(digest);
  if (blob === undefined) return;
  try {
    if ((await index.listUnlinked([digest])).length > 0) await blob.remove();
  } finally {
    await blob.close();
  }
}
