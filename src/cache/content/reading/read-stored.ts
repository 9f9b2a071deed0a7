import { algorithmOf, type Digest, digestOf } from '../../../oci/digest.ts';
import type { BlobStore } from '../../../store/blob-store.ts';

/** A manifest may be of any size that upstream may send. */
const maxWholeBytes = 8 * 1024 * 1024;

/** All bytes of a stored manifest or configuration; undefined when it is not here, too large to be one, or damaged. */
export async function readStored(
  digest: Digest,
  { store }: { readonly store: Pick<BlobStore, 'open'> },
): Promise<Uint8Array | undefined> {
  const blob = await store.open(digest);
  if (blob === undefined) return undefined;
  try {
    if (blob.sizeBytes > maxWholeBytes) return undefined;
    const bytes = Buffer.alloc(blob.sizeBytes);
    await blob.read(bytes, 0);
    return digestOf(bytes, algorithmOf(digest)) === digest ? bytes : undefined;
  } finally {
    await blob.close();
  }
}
