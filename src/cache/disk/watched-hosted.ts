import type { RecordStore } from '../../store/record-store.ts';
import type { OpenUpload, UploadStore } from '../../store/upload-store.ts';
import type { DiskHealth } from './disk-health.ts';
import { tellHealth } from './tell-health.ts';

/** The same uploads, but the health of the disk is told what fails. It can be written when a blob was stored. */
export function watchUploads(uploads: UploadStore, disk: DiskHealth): UploadStore {
  const { reading, writing, stored } = tellHealth(disk);
  const watch = (upload: OpenUpload): OpenUpload => ({
    id: upload.id,
    repository: upload.repository,
    get sizeBytes() {
      return upload.sizeBytes;
    },
    read: (into, position) => reading(upload.read(into, position)),
    append: (bytes) => writing(upload.append(bytes)),
    keep: () => writing(upload.keep()),
    commit: (digest, placed) => beside(placed, (told) => stored(upload.commit(digest, told))),
    close: () => writing(upload.close()),
  });
  return {
    beginUpload: async (repository) => watch(await writing(uploads.beginUpload(repository))),
    claimUpload: (id) => writing(uploads.claimUpload(id)),
    async openUpload(id) {
      const upload = await writing(uploads.openUpload(id));
      return upload && watch(upload);
    },
    statUpload: (id) => reading(uploads.statUpload(id)),
    removeUpload: (id) => writing(uploads.removeUpload(id)),
    listUploads: () => uploads.listUploads(),
    close: () => uploads.close(),
  };
}

/** The same records, but the health of the disk is told what fails. It can be written when a record was. */
export function watchRecords(records: RecordStore, disk: DiskHealth): RecordStore {
  const { reading, writing, stored } = tellHealth(disk);
  return {
    putRecord: (name, bytes) => stored(records.putRecord(name, bytes)),
    putRecords: (all, after) => stored(records.putRecords(all, after)),
    getRecord: (name) => reading(records.getRecord(name)),
    removeRecord: (name) => writing(records.removeRecord(name)),
    listRecords: (isWanted) => records.listRecords(isWanted),
  };
}

/** What runs beside, and fails, is no failure of the store: it is kept from its health, and fails the whole afterwards. */
async function beside(
  placed: (() => Promise<void>) | undefined,
  store: (told: () => Promise<void>) => Promise<void>,
): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  await store(async () => {
    await placed?.().catch((error: unknown) => {
      failure = { error };
    });
  });
  if (failure) throw (failure as { readonly error: unknown }).error;
}
