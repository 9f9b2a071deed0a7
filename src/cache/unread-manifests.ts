import type { MetadataIndex } from '../index/metadata-index.ts';
import { referencesOf } from '../oci/manifest.ts';
import type { LocalContent } from './content/local-content.ts';

// A few at a time: requests come between them.
const pageCount = 20;

/**
 * Reads the stored manifests of which the index does not know what they reference, and notes it: those that an older
 * version stored, and those that were being noted when the process was killed.
 */
export async function readUnreadManifests(
  index: MetadataIndex,
  local: Pick<LocalContent, 'readWhole'>,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const page = await index.listUnreadManifests(pageCount);
    for (const { digest, mediaType } of page) {
      if (signal.aborted) return;
      const bytes = await local.readWhole(digest);
      await index.putReferences(digest, bytes === undefined ? [] : referencesOf(bytes, mediaType));
    }
    if (page.length < pageCount) return;
  }
}
