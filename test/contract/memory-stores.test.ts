import { MemoryBlobStore } from '../support/memory/memory-blob-store.ts';
import { MemoryRecordStore } from '../support/memory/memory-record-store.ts';
import { MemoryUploadStore } from '../support/memory/memory-upload-store.ts';
import { blobStoreContract } from './blob-store-contract.ts';
import { recordStoreContract } from './record-store-contract.ts';
import { uploadStoreContract } from './upload-store-contract.ts';

blobStoreContract('MemoryBlobStore', async () => new MemoryBlobStore());
recordStoreContract('MemoryRecordStore', async () => new MemoryRecordStore());
uploadStoreContract('MemoryUploadStore', async () => {
  const store = new MemoryBlobStore();
  return { store, uploads: new MemoryUploadStore(store.blobs) };
});
