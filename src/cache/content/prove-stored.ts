import { algorithmOf, type Digest } from '../../oci/digest.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { Hasher } from '../download/hasher.ts';
import { StoredHash } from '../scrub/check/stored-hash.ts';

/** Two of these are all the memory that it takes; larger ones are not hashed any faster. */
const bufferBytes = 256 * 1024;

const atOnce = async () => {}; // somebody waits for it

/**
 * Hashes stored content that somebody says is wrong: whether it is what its digest says; undefined when it is not there.
 * @throws what reading failed with, the signal's reason
 */
export async function proveStored(
  { store, hasher }: { readonly store: Pick<BlobStore, 'open'>; readonly hasher: Hasher },
  digest: Digest,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const blob = await store.open(digest);
  if (blob === undefined) return undefined;
  try {
    const hash = new StoredHash(hasher, bufferBytes, atOnce);
    return (await hash.digest(blob, algorithmOf(digest), signal)) === digest;
  } finally {
    await blob.close();
  }
}
