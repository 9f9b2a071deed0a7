import type { HostedIndex } from '../../index/hosted-index.ts';
import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Repository } from '../../oci/reference.ts';
import type { BlobStore } from '../../store/blob-store.ts';
import type { RecordStore } from '../../store/record-store.ts';
import type { Clock } from '../../util/time/clock.ts';
import { readManifest } from '../manifests/read-manifest.ts';
import { type HostedRecord, manifestRecordName, readRecord, tagRecordName } from './record.ts';

/** What records are noted in, and what it is read from. */
export interface NoteTools {
  readonly blobs: Pick<BlobStore, 'size'>;
  readonly records: RecordStore;
  readonly index: Pick<
    MetadataIndex,
    'getLink' | 'getTag' | 'putTag' | 'listManifests' | 'listRepositories' | 'listTags' | 'referencesOf'
  > &
    Pick<HostedIndex, 'addBlob' | 'putManifest' | 'untag' | 'removeManifest' | 'sync' | 'isRebuilt' | 'markRebuilt'>;
  readonly clock: Pick<Clock, 'now'>;
  /** The verified bytes of a stored manifest; undefined when it is not stored, or damaged. */
  readManifest(digest: Digest): Promise<Uint8Array | undefined>;
}

type ManifestRecord = Extract<HostedRecord, { kind: 'manifest' }>;
type TagRecord = Extract<HostedRecord, { kind: 'tag' }>;

/** The name of a record. */
export function recordName(record: HostedRecord): string {
  const { kind, repository } = record;
  return kind === 'tag' ? tagRecordName(repository, record.tag) : manifestRecordName(repository, record.digest);
}

// Each further look is one more change by another process within the milliseconds of the last.
const maxLooks = 10;

/**
 * Notes in the index what a record says: a manifest with its blobs, as far as they are stored, or a tag. The reason why
 * it cannot be, if it cannot: then it is not noted, and the record is as good as before. What another process makes of
 * the record meanwhile is not undone.
 */
export async function noteRecord(tools: NoteTools, record: HostedRecord): Promise<string | undefined> {
  const name = recordName(record);
  let noted = record;
  for (let look = 0; look < maxLooks; look++) {
    const reason = await (noted.kind === 'tag' ? noteTag(tools, noted) : noteManifest(tools, noted));
    const found = await tools.records.getRecord(name);
    if (found === undefined) await remove(tools, noted);
    // Somebody may have pushed the same meanwhile: then that was removed just now, and is noted again.
    const bytes = found ?? (await tools.records.getRecord(name));
    if (bytes === undefined) return undefined;
    const again = readRecord(name, bytes);
    if (reason !== undefined || again === undefined) return reason;
    if (found !== undefined && saysOf(again) === saysOf(noted)) return undefined;
    noted = again;
  }
  return 'others change it all the time';
}

async function remove({ index }: NoteTools, record: HostedRecord): Promise<void> {
  if (record.kind === 'tag') await index.untag(record.repository, record.tag, record.digest);
  else await index.removeManifest(record.repository, record.digest); // held still, for who may push it just now, or as garbage
}

function saysOf(record: HostedRecord): string {
  return record.kind === 'tag' ? record.digest : record.mediaType;
}

async function noteManifest(tools: NoteTools, record: ManifestRecord): Promise<string | undefined> {
  const { index, clock } = tools;
  const { repository, digest, mediaType } = record;
  const bytes = await tools.readManifest(digest);
  if (bytes === undefined) return 'its manifest is not stored, or damaged: push it again';
  let read: ReturnType<typeof readManifest>;
  try {
    read = readManifest(bytes, mediaType);
  } catch (error) {
    return `its manifest cannot be read: ${(error as Error).message}`;
  }
  const held = new Set(record.held);
  // The blobs come first: where the manifest is noted, they are, too. What else is stored need not be the repository's,
  // and what was read for others who log in would be everybody's who may read this one.
  for (const blob of read.required) await noteBlob(tools, repository, blob);
  for (const blob of read.optional) if (held.has(blob)) await noteBlob(tools, repository, blob);
  const { references, subject, artifactType, annotations } = read;
  // An index that was begun anew gets all that was acknowledged, also what the disk has lost a blob of: a push of that
  // mends it. Another lacks nothing that was acknowledged, so its record is of a push or a removal that nobody was told the
  // end of, and whose blobs went as garbage since: shown by half, it would be taken for an image. The record stays, as it
  // may be of one that was lost when the index was filled, and whose manifest was brought back by hand.
  const required = (await index.isRebuilt()) ? read.required : [];
  const missing = await index.putManifest(
    repository,
    { digest, mediaType, sizeBytes: bytes.length, references, required, subject, artifactType, annotations },
    [],
    clock.now(),
  );
  if (missing.length === 0) return undefined;
  return `it needs ${missing.join(', ')}, which the repository has not: push it again, or delete it by its digest`;
}

async function noteBlob({ blobs, index, clock }: NoteTools, repository: Repository, digest: Digest): Promise<void> {
  const link = await index.getLink({ registry: hostedRegistryName, repository }, digest);
  if (link?.sizeBytes !== undefined) return;
  const sizeBytes = await blobs.size(digest);
  if (sizeBytes !== undefined) await index.addBlob(repository, digest, sizeBytes, clock.now());
}

async function noteTag(tools: NoteTools, record: TagRecord): Promise<string | undefined> {
  const { index, clock } = tools;
  const { repository, tag, digest } = record;
  const key = { registry: hostedRegistryName, repository };
  const link = await index.getLink(key, digest);
  if (link?.mediaType === undefined || link.sizeBytes === undefined) {
    return `it stands for ${digest}, which the repository has not: push it again`;
  }
  const { mediaType, sizeBytes } = link;
  await index.putTag(key, tag, { digest, mediaType, sizeBytes, checkedAtMs: clock.now() });
  return undefined;
}
