import { Removal } from '../../../src/cache/space/removal/removal.ts';
import {
  type CollectedGarbage,
  collectGarbage,
  type GarbageRequest,
  type Unsettled,
} from '../../../src/hosted/garbage/collect-garbage.ts';
import { EventLog } from '../event-log.ts';
import type { HostedStage } from '../stages/hosted-stage.ts';

const never = new AbortController().signal;

/** Collects the garbage of a stage as a server or a tool does: everything that may go by now, unless told otherwise. */
export function collectOf(
  stage: HostedStage,
  request: Partial<GarbageRequest> = {},
  unsettled?: Unsettled,
): Promise<CollectedGarbage> {
  const { index, records, locks } = stage.tools;
  const removal = new Removal({ index: stage.index, store: stage.blobs, log: new EventLog() });
  const tools = { index, records, locks, remove: removal.remove.bind(removal) };
  const all = { beforeMs: stage.clock.now() + 1, untagged: true, dryRun: false };
  return collectGarbage(tools, { ...all, ...request }, never, unsettled);
}
