import type { MetadataIndex } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { hostedRegistryName } from '../../oci/hosted.ts';
import type { Repository, Tag } from '../../oci/reference.ts';

/**
 * Refuses to let tags stand for a digest when one of them is immutable, and stands for another. Called while the tags are
 * locked; another process that pushes the same tag at the same moment is not seen.
 * @throws RegistryError DENIED
 */
export async function assertMovable(
  index: Pick<MetadataIndex, 'getTag'>,
  immutableTags: readonly RegExp[],
  repository: Repository,
  tags: readonly Tag[],
  digest: Digest,
): Promise<void> {
  for (const tag of tags) {
    if (!isImmutable(tag, immutableTags)) continue;
    const entry = await index.getTag({ registry: hostedRegistryName, repository }, tag);
    if (entry === undefined || entry.digest === digest) continue;
    const what = `Cannot move the tag "${tag}" of "${repository}": it is immutable, and stands for ${entry.digest}`;
    throw new RegistryError('DENIED', `${what}; push under another tag`, { detail: { tag, digest: entry.digest } });
  }
}

/**
 * Refuses to remove tags when one of them is immutable.
 * @throws RegistryError DENIED
 */
export function assertRemovable(immutableTags: readonly RegExp[], repository: Repository, tags: readonly Tag[]): void {
  const tag = tags.find((any) => isImmutable(any, immutableTags));
  if (tag === undefined) return;
  const what = `Cannot remove the tag "${tag}" of "${repository}": it is immutable`;
  throw new RegistryError('DENIED', what, { detail: { tag } });
}

function isImmutable(tag: Tag, immutableTags: readonly RegExp[]): boolean {
  return immutableTags.some((pattern) => pattern.test(tag));
}
