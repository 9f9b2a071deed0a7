import type { HostedIndex } from '../../index/hosted-index.ts';
import type { MetadataIndex } from '../../index/metadata-index.ts';
import { algorithmOf, type Digest, digestOf } from '../../oci/digest.ts';
import { referencesOf } from '../../oci/manifest/manifest.ts';
import type { BlobStore, ListedBlob } from '../../store/blob-store.ts';
import { forgetMissing } from '../content/forget-missing.ts';

// Registries are asked to take manifests of 4 MiB; what is larger and begins like one is a layer that is not packed.
const maxManifestBytes = 4 * 1024 * 1024;

/** What content is adopted from, and into. */
export interface AdoptionTools {
  readonly store: BlobStore;
  readonly index: MetadataIndex & Pick<HostedIndex, 'listHolders' | 'listLost'>;
  /** Resolves when content is not just being removed to make room: the index forgets it first. */
  readonly removed?: (digest: Digest) => Promise<void>;
}

/**
 * Notes stored content that the index does not know, used when it was written, and what it references if it is a
 * manifest; false when it is gone. Links and tags cannot be told from the bytes: upstream tells them when they are asked
 * for.
 */
export async function adoptContent(
  { store, index, removed }: AdoptionTools,
  { digest, sizeBytes, writtenAtMs }: ListedBlob,
): Promise<boolean> {
  await removed?.(digest);
  const bytes = await readIfJson(store, digest, sizeBytes);
  const references = bytes ? referencesOf(bytes, '') : [];
  const usedAtMs = Math.floor(writtenAtMs);
  await index.putContent(digest, sizeBytes, usedAtMs);
  if (references.length > 0) await index.putReferences(digest, references);
  // Another process may have removed it before it was noted.
  return !(await forgetMissing({ store, index }, digest, usedAtMs));
}

/** The bytes of content that may be a manifest by its size and its first byte. */
async function readIfJson(store: BlobStore, digest: Digest, sizeBytes: number): Promise<Uint8Array | undefined> {
  if (sizeBytes > maxManifestBytes) return undefined;
  const blob = await store.open(digest);
  if (blob === undefined) return undefined;
  try {
    const first = Buffer.alloc(1);
    await blob.read(first, 0);
    if (first.toString() !== '{') return undefined;
    const bytes = Buffer.allocUnsafeSlow(blob.sizeBytes);
    await blob.read(bytes, 0);
    return digestOf(bytes, algorithmOf(digest)) === digest ? bytes : undefined; // damaged bytes tell nothing
  } finally {
    await blob.close();
  }
}
