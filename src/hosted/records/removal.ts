import type { HostedIndex, RemovedManifest } from '../../index/hosted-index.ts';
import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Repository, Tag } from '../../oci/reference.ts';
import type { RecordStore } from '../../store/record-store.ts';
import { manifestRecordName, tagRecordName } from './record.ts';
import { settleManifest, settleTag } from './settle.ts';

/** What tags and manifests are removed from. */
export interface RemovalTools {
  readonly records: RecordStore;
  readonly index: Pick<MetadataIndex, 'getLink' | 'getTag' | 'listManifests' | 'referencesOf'> &
    Pick<HostedIndex, 'untag' | 'removeManifest' | 'letGo' | 'removeBlob' | 'sync'>;
}

// Each further look is one more process that noted, or pushed, the same within the milliseconds of the last.
const maxLooks = 10;

/**
 * Removes a tag. Its row goes first, for good, and then its record: so whatever is shown is there with a new index, too,
 * wherever this breaks off. What was not acknowledged as removed may come back then, from the record. False when there
 * was none; a record that was left of it is gone, too. With a digest only while it stands for that: what another process
 * has moved meanwhile is none of this.
 */
export function removeTag(tools: RemovalTools, repository: Repository, tag: Tag, digest?: Digest): Promise<boolean> {
  return removeTags(tools, repository, [tag], digest);
}

async function removeTags(
  tools: RemovalTools,
  repository: Repository,
  tags: readonly Tag[],
  digest?: Digest,
): Promise<boolean> {
  const { index } = tools;
  let isRemoved = false;
  for (let look = 0; look < maxLooks; look++) {
    const left: Tag[] = [];
    for (const tag of tags) {
      const isUntagged = await index.untag(repository, tag, digest);
      isRemoved ||= isUntagged;
      if (isUntagged || (await isOnlyRecorded(tools, repository, tag))) left.push(tag);
    }
    if (left.length === 0) return isRemoved;
    await index.sync();
    for (const tag of left) await settleTag(tools, repository, tag);
  }
  throw new Error(`Cannot remove tags of "${repository}": others set them all the time`);
}

async function isOnlyRecorded({ records, index }: RemovalTools, repository: Repository, tag: Tag): Promise<boolean> {
  if ((await records.getRecord(tagRecordName(repository, tag))) === undefined) return false;
  return (await index.getTag({ registry: hostedRegistryName, repository }, tag)) === undefined;
}

/**
 * Removes a manifest in the same way, after its tags: broken off, it is left with fewer, and no tag stands for nothing.
 * Its bytes, and what it needs, are let go of when its record is gone: that would bring it back without them, or tell for
 * ever of something lost. What refers to it stays, as the spec has it.
 */
export async function removeManifest(tools: RemovalTools, repository: Repository, digest: Digest): Promise<boolean> {
  const { records, index } = tools;
  await removeTags(tools, repository, await tagsOf(index, repository, digest), digest);
  let last: RemovedManifest | undefined;
  for (let look = 0; look < maxLooks; look++) {
    const removed = await index.removeManifest(repository, digest);
    last = removed ?? last;
    if (removed === undefined && !(await records.getRecord(manifestRecordName(repository, digest)))) {
      if (last !== undefined) await index.letGo(repository, digest, last);
      return last !== undefined;
    }
    await index.sync();
    for (const tag of removed?.tags ?? []) await settleTag(tools, repository, tag); // what another process has tagged meanwhile
    await settleManifest(tools, repository, digest);
  }
  throw new Error(`Cannot remove ${digest} from "${repository}": others push it all the time`);
}

/**
 * Removes a manifest without tags, or a blob, that no manifest of the repository references; not what was pushed, or asked
 * for, since `beforeMs`. False when it was not there, or stays.
 */
export async function removeUnused(
  tools: RemovalTools,
  repository: Repository,
  digest: Digest,
  beforeMs: number,
): Promise<boolean> {
  const { index } = tools;
  const link = await index.getLink({ registry: hostedRegistryName, repository }, digest);
  if (link?.mediaType === undefined) return (await index.removeBlob(repository, digest, beforeMs)) === 'removed';
  const removed = await index.removeManifest(repository, digest, { beforeMs, orReferrer: false });
  if (removed === undefined) return false;
  await index.sync();
  await settleManifest(tools, repository, digest);
  await index.letGo(repository, digest, removed);
  return true;
}

/** The tags that stand for a manifest that is stored. */
export async function tagsOf(
  index: Pick<MetadataIndex, 'listManifests'>,
  repository: Repository,
  digest: Digest,
): Promise<readonly Tag[]> {
  const key = { registry: hostedRegistryName, repository };
  // No digest lies between this one and what it begins with.
  const before = digest.slice(0, -1) as Digest;
  const [manifest] = await index.listManifests({ ...key, count: 1, after: { ...key, digest: before } });
  return manifest?.digest === digest ? manifest.tags : [];
}
