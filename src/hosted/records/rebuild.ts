import type { Log } from '../../util/log/log.ts';
import { checkRecords, type RecordCheckTools } from './check-records.ts';

const tellEveryMs = 10_000;

// Each waits for some small files, one after the other; nobody else has anything to do yet.
const together = 16;

/**
 * Brings back every hosted repository, tag and referrer from the records into an index that was begun anew, before
 * anybody is answered and before anything may be removed to make room: until then nothing is known to be held. With an
 * index that has been filled before it does nothing; when it was broken off, the next start does it again.
 */
export async function rebuildHosted(
  tools: RecordCheckTools & { readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  const { index, clock, log } = tools;
  if (await index.isRebuilt()) return;
  const beganMs = clock.now();
  const counts = { noted: 0, lost: 0 };
  let told = beganMs;
  await checkRecords(tools, {
    ...{ repair: true, beforeMs: Number.POSITIVE_INFINITY, signal, together },
    checked() {
      if (clock.now() < told + tellEveryMs) return;
      told = clock.now();
      log.info(counts, 'hosted repositories are being rebuilt');
    },
    found(finding, repaired) {
      counts[repaired ? 'noted' : 'lost']++;
      if (!repaired) log.error({ ...finding }, 'hosted record cannot be noted');
    },
  });
  await index.markRebuilt();
  await index.sync();
  const facts = { ...counts, ms: clock.now() - beganMs };
  if (counts.noted + counts.lost > 0) log.warn(facts, 'hosted repositories rebuilt from their records');
}

/** Whether an index has what the records say: it was filled from them, or there are none. */
export async function isRebuilt({ index, records }: Pick<RecordCheckTools, 'index' | 'records'>): Promise<boolean> {
  if (await index.isRebuilt()) return true;
  for await (const _ of records.listRecords()) return false;
  return true;
}
