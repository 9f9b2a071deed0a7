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
    commit: (digest) => stored(upload.commit(digest)),
    close: () => writing(upload.close()),
  });
  return {
    beginUpload: async (repository) => watch(await writing(uploads.beginUpload(repository))),
    async openUpload(id) {
      const upload = await writing(uploads.openUpload(id));
      return upload && watch(upload);
    },
    statUpload: (id) => reading(uploads.statUpload(id)),
    removeUpload: (id) => writing(uploads.removeUpload(id)),
    listUploads: () => uploads.listUploads(),
  };
}

/** The same records, but the health of the disk is told what fails. It can be written when a record was. */
export function watchRecords(records: RecordStore, disk: DiskHealth): RecordStore {
  const { reading, writing, stored } = tellHealth(disk);
  return {
    putRecord: (name, bytes) => stored(records.putRecord(name, bytes)),
    getRecord: (name) => reading(records.getRecord(name)),
    removeRecord: (name) => writing(records.removeRecord(name)),
    listRecords: () => records.listRecords(),
  };
}
