import type { MetadataIndex, RepositoryKey } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Repository, Tag } from '../../oci/reference.ts';
import type { RecordStore } from '../../store/record-store.ts';
import {
  type HostedRecord,
  manifestRecord,
  manifestRecordName,
  readRecord,
  tagRecord,
  tagRecordName,
} from './record.ts';

/** What records are made to follow. */
export interface SettleTools {
  readonly records: RecordStore;
  readonly index: Pick<MetadataIndex, 'getLink' | 'getTag' | 'referencesOf'>;
}

// Each further look is one more process that changed the same name within the milliseconds of the last.
const maxLooks = 10;

/**
 * Makes the record of a tag say what its row says, or be gone with it. Within a process locks see to that; this is for
 * what failed half-way, and for two processes that change one tag at the same moment: the row decides who was last, and
 * whoever writes a record looks at the row afterwards.
 */
export function settleTag({ records, index }: SettleTools, repository: Repository, tag: Tag): Promise<void> {
  return settle(records, tagRecordName(repository, tag), async () => {
    const entry = await index.getTag({ registry: hostedRegistryName, repository }, tag);
    return (
      entry && {
        isSaidBy: (record) => record?.kind === 'tag' && record.digest === entry.digest,
        write: async () => tagRecord(entry.digest),
      }
    );
  });
}

/** The same for the record of a manifest, which is there as long as the repository has the manifest. */
export function settleManifest({ records, index }: SettleTools, repository: Repository, digest: Digest): Promise<void> {
  const key = { registry: hostedRegistryName, repository };
  return settle(records, manifestRecordName(repository, digest), async () => {
    const { mediaType } = (await index.getLink(key, digest)) ?? {};
    if (mediaType === undefined) return undefined;
    return {
      isSaidBy: (record) => record?.kind === 'manifest' && record.mediaType === mediaType,
      write: async () => manifestRecord(mediaType, await heldOf(index, key, digest)),
    };
  });
}

/** The blobs that the repository has of those that a manifest references: which it needs, nobody has to know. */
async function heldOf(index: SettleTools['index'], key: RepositoryKey, digest: Digest): Promise<Digest[]> {
  const held: Digest[] = [];
  for (const reference of await index.referencesOf(digest)) {
    const link = await index.getLink(key, reference.digest);
    if (link?.sizeBytes !== undefined && link.mediaType === undefined) held.push(reference.digest);
  }
  return held;
}

/** What a row says. */
interface Row {
  isSaidBy(record: HostedRecord | undefined): boolean;
  write(): Promise<Uint8Array>;
}

async function settle(records: RecordStore, name: string, readRow: () => Promise<Row | undefined>): Promise<void> {
  for (let look = 0; look < maxLooks; look++) {
    const row = await readRow();
    const bytes = await records.getRecord(name);
    if (row === undefined && bytes === undefined) return;
    if (row !== undefined && bytes !== undefined && row.isSaidBy(readRecord(name, bytes))) return;
    if (row === undefined) await records.removeRecord(name);
    else await records.putRecord(name, await row.write());
  }
  throw new Error(`Cannot settle the record "${name}": others change it all the time`);
}
