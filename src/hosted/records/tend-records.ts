import type { Log } from '../../util/log/log.ts';
import type { Clock } from '../../util/time/clock.ts';
import { checkRecords, checkRows, type RecordCheckOptions, type RecordCheckTools } from './check-records.ts';

// Between two steps requests have their turn; 100,000 records take a minute.
const stepCount = 32;
const pauseMs = 10;

/**
 * Completes, in the background, what was being pushed when the process died, and takes back what was being removed, so
 * that no record is left that says something else than the index, and none is missing: were the index lost later, the
 * records would be believed. Nothing that was acknowledged depends on it.
 */
export async function tendRecords(
  tools: RecordCheckTools & { readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = tools;
  const beganMs = clock.now();
  let checked = 0;
  const options: RecordCheckOptions = {
    ...{ repair: true, beforeMs: beganMs, signal },
    async checked() {
      if (++checked % stepCount === 0) await clock.sleep(pauseMs, signal);
    },
    found: (finding, repaired) => log.warn({ ...finding, repaired }, 'hosted record and index disagree'),
  };
  await checkRecords(tools, options);
  await checkRows(tools, options); // none lacks its record but by a fault of the disk, or of an older version
}
