import type { MetadataIndex, UnreadManifest } from '../../index/metadata-index.ts';
import { referencesOf } from '../../oci/manifest/manifest.ts';
import type { LocalContent } from '../content/local-content.ts';

// A few at a time: requests come between them.
const pageCount = 20;

/**
 * Reads the stored manifests of which the index does not know what they reference, and notes it: those that an older
 * version stored, and those that were being noted when the process was killed. What cannot be read now stays unread, and
 * has its turn at the next start: were it noted to reference nothing, what it consists of could be removed before it.
 */
export async function readUnreadManifests(
  index: Pick<MetadataIndex, 'listUnreadManifests' | 'putReferences'>,
  local: Pick<LocalContent, 'readWhole'>,
  signal: AbortSignal,
): Promise<void> {
  let after: UnreadManifest | undefined;
  do {
    const page = await index.listUnreadManifests({ count: pageCount, after });
    for (const { digest, mediaType } of page) {
      if (signal.aborted) return;
      const bytes = await local.readWhole(digest);
      if (bytes) await index.putReferences(digest, referencesOf(bytes, mediaType));
    }
    after = page.length === pageCount ? page.at(-1) : undefined;
  } while (after);
}
