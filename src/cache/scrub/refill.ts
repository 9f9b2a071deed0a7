import type { Clock } from '../../util/time/clock.ts';
import { type AdoptionTools, adoptContent } from './adoption.ts';
import { blobsInSteps } from './walk.ts';

/** What the index is filled again from. */
export interface RefillTools extends AdoptionTools {
  readonly clock: Clock;
}

/**
 * Notes in the index every stored content that it does not know: all of it when the index was lost, and what was stored
 * a moment before a crash. The bytes are not read, but for what may be a manifest: reading them is the scrubber's affair.
 */
export async function refillIndex(
  tools: RefillTools,
  signal: AbortSignal,
): Promise<{ contents: number; bytes: number }> {
  const { store, index, clock } = tools;
  const added = { contents: 0, bytes: 0 };
  for await (const blob of blobsInSteps(store, clock, signal)) {
    if ((await index.getContent(blob.digest)) !== undefined) continue;
    if (!(await adoptContent(tools, blob))) continue;
    added.contents++;
    added.bytes += blob.sizeBytes;
  }
  return added;
}
