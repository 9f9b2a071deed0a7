import { readStored } from '../../cache/content/reading/read-stored.ts';
import { type Finding, findingKinds } from '../../cache/scrub/check/finding.ts';
import {
  checkRecords,
  checkRows,
  type RecordCheckOptions,
  type RecordCheckTools,
} from '../../hosted/records/check-records.ts';
import { type RecordFinding, recordFindingKinds } from '../../hosted/records/record-finding.ts';
import type { Storage } from '../../storage.ts';
import { SharedLocks } from '../../util/locks/shared-locks.ts';
import { systemClock } from '../../util/time/clock.ts';

/** Something that is not as it should be: in the store, or in the records of hosted repositories. */
export type VerifyFinding = Finding | RecordFinding;

/** What kinds of findings there are, in the order in which people are told of them. */
export const verifyFindingKinds: readonly VerifyFinding['kind'][] = [...findingKinds, ...recordFindingKinds];

/** Compares the records of the hosted repositories with the index, both ways. */
export async function verifyRecords(storage: Storage, options: RecordCheckOptions): Promise<void> {
  const tools = toolsOf(storage);
  await checkRecords(tools, options);
  await checkRows(tools, options);
}

/** Notes everything that the records say in a new index. It comes first: until then nothing is known to be held. */
export async function rebuildRecords(
  storage: Storage,
  found: RecordCheckOptions['found'],
  signal: AbortSignal,
): Promise<void> {
  await checkRecords(toolsOf(storage), {
    ...{ repair: true, beforeMs: Number.POSITIVE_INFINITY, signal },
    found: (finding, repaired) => {
      if (!repaired) found(finding, repaired); // everything else is new to it
    },
  });
  await storage.index.markRebuilt();
  await storage.index.sync();
}

function toolsOf({ store, records, index }: Storage): RecordCheckTools {
  const readManifest: RecordCheckTools['readManifest'] = (digest) => readStored(digest, { store });
  // The locks are this process's own: a server beside sees to it that records follow the index.
  return { blobs: store, records, index, clock: systemClock, readManifest, locks: new SharedLocks() };
}
