import type { BlobStore, BlobWriter, StoredBlob } from '../../store/blob-store.ts';
import type { DiskHealth } from './disk-health.ts';

const reading = { part: 'store', action: 'read' } as const;
const writing = { part: 'store', action: 'write' } as const;

/**
 * The same store, but the health of the disk is told what fails. That a file could be made says little of a disk that is
 * full: it can be written when a blob was stored.
 */
export function watchStore(store: BlobStore, disk: DiskHealth): BlobStore {
  const told = async <T>(attempt: typeof reading | typeof writing, operation: Promise<T>): Promise<T> => {
    try {
      const result = await operation;
      if (attempt === reading) disk.worked(reading);
      return result;
    } catch (error) {
      disk.failed(attempt, error);
      throw error;
    }
  };
  const watchWriter = (writer: BlobWriter): BlobWriter => ({
    read: (into, position) => told(reading, writer.read(into, position)),
    write: (bytes, position) => told(writing, writer.write(bytes, position)),
    async commit() {
      await told(writing, writer.commit());
      disk.worked(writing);
    },
    close: (options) => told(writing, writer.close(options)),
  });
  const watchBlob = (blob: StoredBlob): StoredBlob => ({
    sizeBytes: blob.sizeBytes,
    read: (into, position) => told(reading, blob.read(into, position)),
    remove: () => told(writing, blob.remove()),
    close: () => blob.close(),
  });
  return {
    size: (digest) => told(reading, store.size(digest)),
    async open(digest) {
      const blob = await told(reading, store.open(digest));
      return blob && watchBlob(blob);
    },
    create: async (digest) => watchWriter(await told(writing, store.create(digest))),
    async resume(digest) {
      const partial = await told(writing, store.resume(digest));
      return partial && { ...partial, writer: watchWriter(partial.writer) };
    },
    partials: () => store.partials(), // which no request needs
    remove: (digest) => told(writing, store.remove(digest)),
    list: () => store.list(),
    listLeftovers: () => store.listLeftovers(),
  };
}
