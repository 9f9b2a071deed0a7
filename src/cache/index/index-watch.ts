import type { MetadataIndex } from '../../index/metadata-index.ts';

/** What a tool changes beside a running server is seen within this; asking costs microseconds. */
const askEveryMs = 1_000;

/**
 * Asks once a second whether another process wrote to the index, and calls `changed` when one did, so that what is
 * remembered of it can be forgotten. Returns what ends the asking.
 */
export function watchIndex(index: Pick<MetadataIndex, 'changedElsewhere'>, changed: () => void): () => void {
  const ask = async () => {
    if (await index.changedElsewhere()) changed();
  };
  // An index that fails, or is gone, is told of by who watches over its health.
  const timer = setInterval(() => ask().catch(() => {}), askEveryMs).unref();
  return () => clearInterval(timer);
}
