import type { RepositoryKey } from '../../index/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { RunningDownload } from '../download/downloads.ts';
import type { CacheTools } from '../tools.ts';

/** Who is asked for: everybody, as our own identity may read it, or those who may read what is guarded. */
export type CacheView = 'open' | 'guarded';

const openOrigin = 'open ';
const guardedOrigin = 'guarded ';

/** Who downloads are for. That one is for those who may read what is guarded makes it another's than everybody's. */
export function originOf(view: CacheView, { registry, repository }: RepositoryKey): string {
  return `${view === 'open' ? openOrigin : guardedOrigin}${registry}/${repository}`;
}

/**
 * Whether a download needs no confirmation by whoever is of an origin: it is for the same repository, or for everybody.
 * One for those who may read what is guarded is theirs, until upstream says that this repository has the blob, too.
 */
export function mayJoin({ origin }: RunningDownload, ownOrigin: string): boolean {
  return origin === ownOrigin || origin.startsWith(openOrigin);
}

/** Whether everybody may read a blob: it is in an open repository, or on its way for one. */
export async function isOpenBlob(
  { downloads, index }: Pick<CacheTools, 'downloads' | 'index'>,
  digest: Digest,
): Promise<boolean> {
  if (downloads.get(digest)?.origin.startsWith(openOrigin)) return true;
  return index.hasOpenHolder(digest).catch(() => false);
}
