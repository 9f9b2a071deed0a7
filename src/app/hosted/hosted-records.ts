import { readStored } from '../../cache/content/reading/read-stored.ts';
import type { RecordCheckTools } from '../../hosted/records/check-records.ts';
import { rebuildHosted } from '../../hosted/records/rebuild.ts';
import { tendRecords } from '../../hosted/records/tend-records.ts';
import { SharedLocks } from '../../util/locks/shared-locks.ts';
import type { Basics } from '../app-options.ts';
import type { Disk } from '../cache/disk.ts';
import type { Lifetime } from '../lifetime.ts';

/**
 * Sees to it that the index has what the records of the hosted repositories say: all of it, before it resolves, in an
 * index that was begun anew, and so before anything may be removed to make room; in another, in the background, what was
 * under way when the last process died. Gives the locks that whoever changes hosted repositories takes, too.
 */
export async function openHostedRecords(
  { store: blobs, index, records }: Disk,
  { clock, log }: Basics,
  lifetime: Lifetime,
): Promise<SharedLocks> {
  const locks = new SharedLocks();
  const readManifest: RecordCheckTools['readManifest'] = (digest) => readStored(digest, { store: blobs });
  const tools = { blobs, records, index, readManifest, locks, clock, log };
  const stop = new AbortController();
  await rebuildHosted(tools, stop.signal);
  const tending = tendRecords(tools, stop.signal).catch((error: Error) => {
    if (!stop.signal.aborted) log.error({ reason: error.message }, 'hosted records cannot be checked');
  });
  lifetime.push(async () => {
    stop.abort();
    await tending;
  });
  return locks;
}
