import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Repository, Tag } from '../../oci/reference.ts';
import type { RecordStore } from '../../store/record-store.ts';
import { manifestRecord, manifestRecordName, tagRecord, tagRecordName } from './record.ts';

/** What records are made to follow. */
export interface SettleTools {
  readonly records: RecordStore;
  readonly index: Pick<MetadataIndex, 'getLink' | 'getTag'>;
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
    return entry && tagRecord(entry.digest);
  });
}

/** The same for the record of a manifest, which is there as long as the repository has the manifest. */
export function settleManifest({ records, index }: SettleTools, repository: Repository, digest: Digest): Promise<void> {
  return settle(records, manifestRecordName(repository, digest), async () => {
    const link = await index.getLink({ registry: hostedRegistryName, repository }, digest);
    return link?.mediaType === undefined ? undefined : manifestRecord(link.mediaType);
  });
}

async function settle(
  records: RecordStore,
  name: string,
  readRow: () => Promise<Uint8Array | undefined>,
): Promise<void> {
  for (let look = 0; look < maxLooks; look++) {
    const wanted = await readRow();
    const record = await records.getRecord(name);
    if (wanted === undefined && record === undefined) return;
    if (wanted !== undefined && record !== undefined && Buffer.compare(wanted, record) === 0) return;
    if (wanted === undefined) await records.removeRecord(name);
    else await records.putRecord(name, wanted);
  }
  throw new Error(`Cannot settle the record "${name}": others change it all the time`);
}
