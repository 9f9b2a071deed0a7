import { manifestRecord, manifestRecordName, tagRecord, tagRecordName } from '../../../src/hosted/records/record.ts';
import type { HostedIndex } from '../../../src/index/hosted-index.ts';
import { parseRepository, parseTag } from '../../../src/oci/reference.ts';
import type { BlobStore } from '../../../src/store/blob-store.ts';
import type { RecordStore } from '../../../src/store/record-store.ts';
import type { TestImage } from '../content/images.ts';
import { writeBlob } from '../disk/kept-store.ts';

/** Where hosted images are put. */
export interface HostedPlace {
  readonly store: BlobStore;
  readonly records: RecordStore;
  readonly index: HostedIndex;
}

/** Puts an image in a hosted repository, as a push leaves it in store and index. */
export async function putHostedImage(
  { store, records, index }: HostedPlace,
  repository: string,
  image: TestImage,
  options: { readonly tag?: string; readonly nowMs?: number } = {},
): Promise<void> {
  const { tag, nowMs = 1 } = options;
  const name = parseRepository(repository);
  for (const { digest, bytes } of image.blobs) {
    await index.hold(name, digest, nowMs);
    await writeBlob(store, digest, bytes);
    await index.addBlob(name, digest, bytes.length, nowMs);
  }
  const { digest, bytes, mediaType } = image.manifest;
  const references = image.blobs.map((blob) => blob.digest);
  await index.hold(name, digest, nowMs);
  await writeBlob(store, digest, bytes);
  await records.putRecord(manifestRecordName(name, digest), manifestRecord(mediaType));
  if (tag !== undefined) await records.putRecord(tagRecordName(name, parseTag(tag)), tagRecord(digest));
  const about = { subject: undefined, artifactType: undefined, annotations: undefined };
  const manifest = { digest, mediaType, sizeBytes: bytes.length, references, required: references, ...about };
  await index.putManifest(name, manifest, tag === undefined ? [] : [parseTag(tag)], nowMs);
}
