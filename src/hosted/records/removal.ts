import type { HostedIndex } from '../../index/hosted-index.ts';
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
    Pick<HostedIndex, 'untag' | 'removeManifest' | 'removeBlob'>;
}

/**
 * Removes a tag: its record first, so that nothing which was acknowledged as removed comes back with a new index. False
 * when there was none. It is durable when the index was synced.
 */
export async function removeTag(tools: RemovalTools, repository: Repository, tag: Tag): Promise<boolean> {
  try {
    await tools.records.removeRecord(tagRecordName(repository, tag));
    return await tools.index.untag(repository, tag);
  } finally {
    await settleTag(tools, repository, tag);
  }
}

/** Removes a manifest with its tags, in the same way. What refers to it stays, as the spec has it. */
export async function removeManifest(tools: RemovalTools, repository: Repository, digest: Digest): Promise<boolean> {
  const { records, index } = tools;
  const tags = new Set(await tagsOf(index, repository, digest));
  try {
    for (const tag of tags) await records.removeRecord(tagRecordName(repository, tag));
    await records.removeRecord(manifestRecordName(repository, digest));
    const removed = await index.removeManifest(repository, digest);
    for (const tag of removed ?? []) tags.add(tag); // what another process has tagged meanwhile
    return removed !== undefined;
  } finally {
    await settleManifest(tools, repository, digest);
    for (const tag of tags) await settleTag(tools, repository, tag);
  }
}

/** Removes a manifest, or a blob unless a manifest of the repository references it. False when it was not there, or stays. */
export async function removeContent(tools: RemovalTools, repository: Repository, digest: Digest): Promise<boolean> {
  const link = await tools.index.getLink({ registry: hostedRegistryName, repository }, digest);
  if (link?.mediaType !== undefined) return removeManifest(tools, repository, digest);
  return (await tools.index.removeBlob(repository, digest)) === 'removed';
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
