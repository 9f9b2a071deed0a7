import type { BlobStore, BlobWriter, StoredBlob } from '../../store/blob-store.ts';
import type { DiskHealth } from './disk-health.ts';
import { tellHealth } from './tell-health.ts';

/**
 * The same store, but the health of the disk is told what fails. That a file could be made says little of a disk that is
 * full: it can be written when a blob was stored.
 */
export function watchStore(store: BlobStore, disk: DiskHealth): BlobStore {
  const { reading, writing, stored } = tellHealth(disk);
  const watchWriter = (writer: BlobWriter): BlobWriter => ({
    read: (into, position) => reading(writer.read(into, position)),
    write: (bytes, position) => writing(writer.write(bytes, position)),
    commit: () => stored(writer.commit()),
    close: (options) => writing(writer.close(options)),
  });
  const watchBlob = (blob: StoredBlob): StoredBlob => ({
    sizeBytes: blob.sizeBytes,
    read: (into, position) => reading(blob.read(into, position)),
    remove: () => writing(blob.remove()),
    close: () => blob.close(),
  });
  return {
    size: (digest) => reading(store.size(digest)),
    async open(digest) {
      const blob = await reading(store.open(digest));
      return blob && watchBlob(blob);
    },
    create: async (digest) => watchWriter(await writing(store.create(digest))),
    put: (digest, bytes) => stored(store.put(digest, bytes)),
    async resume(digest) {
      const partial = await writing(store.resume(digest));
      return partial && { ...partial, writer: watchWriter(partial.writer) };
    },
    partials: () => store.partials(), // which no request needs
    remove: (digest) => writing(store.remove(digest)),
    list: () => store.list(),
    listLeftovers: () => store.listLeftovers(),
  };
}
