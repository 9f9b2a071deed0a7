import { algorithmOf, digestOf } from '../oci/digest.ts';
import type { BlobStore } from '../store/blob-store.ts';
import { type Holding, maxManifestBytes } from './image-tree.ts';

/** A store, as images are read from it. */
export function storeHolding(store: Pick<BlobStore, 'size' | 'open'>): Holding {
  return {
    sizeOf: (digest) => store.size(digest),
    async readManifest(digest) {
      const blob = await store.open(digest);
      if (blob === undefined) return undefined;
      try {
        if (blob.sizeBytes > maxManifestBytes) return undefined;
        const bytes = Buffer.alloc(blob.sizeBytes);
        const count = await blob.read(bytes, 0);
        return digestOf(bytes.subarray(0, count), algorithmOf(digest)) === digest ? bytes : undefined;
      } finally {
        await blob.close();
      }
    },
  };
}
